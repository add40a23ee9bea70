"""Batches on their way from a worker process: through memory that is used again.

torch passes each batch on in new memory. The system has to clear that memory page by page
before the worker may write to it, which can take longer than to read the images. Here a worker
keeps a few buffers, and reuses one once no tensor of its last batch exists.
"""

from __future__ import annotations

import itertools
import math
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info

from terratorch.contracts.input_spec import InputSpec
from terratorch.datamodules.collation import collate, completed, is_listed
from terratorch.errors import DataError

_MOST_BUFFERS = 16  # of a worker; while more batches are in use, they take torch's own way
_ALIGNMENT = 64  # bytes, of the first element of a tensor
_FREE, _USED = 0, 1
_pools = itertools.count()


@dataclass(frozen=True)
class _Place:
    """The place of a tensor in a buffer."""

    offset: int
    dtype: torch.dtype
    shape: tuple[int, ...]


@dataclass(frozen=True)
class SharedBatch:
    """A batch whose tensors are in a buffer.

    Attributes:
        pool: Names the worker's buffers.
        slot: Which of them.
        layout: The batch, with a `_Place` for each tensor.
        state: Of the worker's buffers, as long as the receiver may not have them: a row of which
            are in use, and a row of which the receiver has.
        buffer: The buffer, as long as the receiver may not have it.
    """

    pool: tuple[int, int]
    slot: int
    layout: Any
    state: Tensor | None
    buffer: Tensor | None


@dataclass
class BatchSender:
    """Stacks samples into buffers; what a worker has.

    Attributes:
        pool: Names the buffers.
        state: See `SharedBatch`.
        buffers: The buffers, by slot.
    """

    pool: tuple[int, int] = field(default_factory=lambda: (os.getpid(), next(_pools)))
    state: Tensor = field(
        default_factory=lambda: torch.zeros(2, _MOST_BUFFERS, dtype=torch.uint8).share_memory_()
    )
    buffers: dict[int, Tensor] = field(default_factory=dict)

    def send(self, samples: list[Any]) -> Any:
        """Return a `SharedBatch` of samples, or an ordinary batch if all buffers are in use."""
        writes: list[tuple[_Place, list[Tensor]]] = []
        size = _Layout(writes)
        layout = size.of(samples)
        slot = self._free_slot(size.end)
        if slot is None:
            return collate(samples)
        buffer = self.buffers[slot]
        for place, tensors in writes:
            torch.stack(tensors, out=_tensor_at(buffer, place))
        used, known = self.state
        used[slot] = _USED
        if known[slot]:
            return SharedBatch(self.pool, slot, layout, None, None)
        return SharedBatch(self.pool, slot, layout, self.state, buffer)

    def _free_slot(self, size: int) -> int | None:
        """Return a free buffer that is large enough; allocate one if needed."""
        free = [slot for slot, used in enumerate(self.state[0].tolist()) if used == _FREE]
        sizes = {slot: len(self.buffers[slot]) for slot in free if slot in self.buffers}
        fitting = [slot for slot in sizes if sizes[slot] >= size]
        if fitting:
            return min(fitting, key=sizes.__getitem__)
        if not free:
            return None
        # One that is too small makes room for a larger one.
        slot = next(iter(sizes), free[0])
        self.buffers[slot] = torch.empty(max(size, 1), dtype=torch.uint8).share_memory_()
        self.state[1, slot] = 0
        return slot


class _Layout:
    """Finds a place for each tensor of a batch.

    Attributes:
        writes: Takes the places, and what is stacked there.
        end: The bytes that they take.
    """

    def __init__(self, writes: list[tuple[_Place, list[Tensor]]]) -> None:
        self.writes = writes
        self.end = 0

    def of(self, samples: list[Any]) -> Any:
        """Return the batch with a `_Place` for each tensor; all else is stacked as torch does."""
        first = samples[0]
        if isinstance(first, dict):
            columns = {key: [sample[key] for sample in samples] for key in first}
            return {
                key: values if is_listed(key, values) else self.of(values)
                for key, values in columns.items()
            }
        if not isinstance(first, Tensor):
            return default_collate(samples)
        if any(sample.shape != first.shape or sample.dtype != first.dtype for sample in samples):
            return default_collate(samples)  # raises an error that explains it
        place = _Place(self.end, first.dtype, (len(samples), *first.shape))
        size = math.prod(place.shape) * first.element_size()
        self.end += -(-size // _ALIGNMENT) * _ALIGNMENT
        self.writes.append((place, samples))
        return place


class BatchReceiver:
    """Turns what workers send into batches; what the process has that trains."""

    def __init__(self) -> None:
        # As arrays: what arrives in inference mode is a tensor that only that mode may write to.
        self._states: dict[tuple[int, int], NDArray[np.uint8]] = {}
        self._buffers: dict[tuple[tuple[int, int], int], Tensor] = {}
        self._held: set[tuple[tuple[int, int], int]] = set()

    def start(self) -> None:
        """Free the buffers of batches that were sent for an epoch that was not finished."""
        for pool, state in self._states.items():
            for slot in range(_MOST_BUFFERS):
                if (pool, slot) not in self._held:
                    state[0, slot] = _FREE

    def receive(self, batch: Any) -> Any:
        """Return the batch that a `SharedBatch` stands for, or what else a worker sent."""
        if not isinstance(batch, SharedBatch):
            return batch
        key = (batch.pool, batch.slot)
        if batch.state is not None and batch.buffer is not None:
            state = self._states.setdefault(batch.pool, batch.state.numpy())
            self._buffers[key] = batch.buffer
            state[1, batch.slot] = 1
        # The tensors hold this array, and nothing else does: it ends with the last of them.
        array = self._buffers[key].numpy()[:]
        self._held.add(key)
        release = weakref.finalize(array, self._release, self._states[batch.pool], key)
        release.atexit = False
        return _placed(torch.from_numpy(array), batch.layout)

    def _release(self, state: NDArray[np.uint8], key: tuple[tuple[int, int], int]) -> None:
        self._held.discard(key)
        state[0, key[1]] = _FREE


def _placed(buffer: Tensor, layout: Any) -> Any:
    if isinstance(layout, dict):
        return {key: _placed(buffer, value) for key, value in layout.items()}
    return _tensor_at(buffer, layout) if isinstance(layout, _Place) else layout


def _tensor_at(buffer: Tensor, place: _Place) -> Tensor:
    size = math.prod(place.shape) * place.dtype.itemsize
    return buffer[place.offset : place.offset + size].view(place.dtype).view(place.shape)


@dataclass
class SharedCollate:
    """Collates in a worker, or in the process itself without workers.

    Attributes:
        check: Returns a replacement for the batch, such as an error; None if samples are valid.
        spec: The images of a sample.
        shares: Whether batches of a worker go through buffers. Memory that is pinned takes torch's
            own way: it is copied anyhow, in a thread.
        sender: Of the worker, once it collates.
    """

    check: Callable[[list[Any]], Any]
    spec: InputSpec = field(default_factory=InputSpec)
    shares: bool = True
    sender: BatchSender | None = None

    def __call__(self, samples: list[Any]) -> Any:
        """Return a batch."""
        instead = self.check(samples)
        if instead is not None:
            return instead
        try:
            samples = completed(samples, self.spec)
        except DataError as error:
            if get_worker_info() is None:
                raise
            return error
        if get_worker_info() is None or not self.shares:
            return collate(samples)
        if self.sender is None:
            self.sender = BatchSender()
        return self.sender.send(samples)
