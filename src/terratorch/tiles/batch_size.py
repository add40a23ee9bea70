"""How many tiles run at once: the start value of `auto`, and fewer when memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from terratorch.contracts.images import Images, each_image
from terratorch.contracts.outputs import Boxes

logger = logging.getLogger(__name__)

# More tiles at once were not faster in measurements.
_MOST_TILES = 64
# The pixels of a batch. A GPU reports that its memory is full, a CPU process is killed.
_GPU_PIXELS = 16 * 512**2
_CPU_PIXELS = 4 * 512**2

Forward = Callable[[Images, Mapping[str, Images]], Any]


def automatic_batch_size(height: int, width: int, device: torch.device) -> int:
    """Return how many tiles to run at once for `batch_size: auto`.

    It is a start value on GPUs: `SplittingForward` halves it when memory runs out.

    Args:
        height: Rows of a tile.
        width: Columns of a tile.
        device: Where the model runs.
    """
    pixels = _CPU_PIXELS if device.type == "cpu" else _GPU_PIXELS
    return max(1, min(pixels // (height * width), _MOST_TILES))


class SplittingForward:
    """A model that runs smaller batches from when the memory was too small for one.

    Args:
        forward: The model.

    Attributes:
        most: The size of a batch that the memory holds; None as long as all have fitted.
    """

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self.most: int | None = None

    def __call__(self, images: Images, facts: Mapping[str, Images]) -> Any:
        """Return the output for a batch, which is split after a batch was too large."""
        count = len(images if isinstance(images, Tensor) else next(iter(images.values())))
        while True:
            size = min(self.most or count, count)
            try:
                if size == count:
                    return self.forward(images, facts)
                starts = range(0, count, size)
                return _joined([self._part(images, facts, start, size) for start in starts])
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
            # After the `except`, because the error refers to what was computed.
            self.most = size // 2
            logger.warning(
                "Out of memory with %d tiles at once: continuing with %d", size, self.most
            )
            release_memory()

    def _part(self, images: Images, facts: Mapping[str, Images], start: int, size: int) -> Any:
        def part(whole: Tensor) -> Tensor:
            return whole[start : start + size]

        parts = {name: each_image(value, part) for name, value in facts.items()}
        return self.forward(each_image(images, part), parts)


def _joined(parts: list[Any]) -> Any:
    """Return the outputs of parts of a batch as the output of the batch."""
    if isinstance(parts[0], Tensor):
        return torch.cat(parts)
    if not isinstance(parts[0], Boxes):
        return list(chain.from_iterable(parts))
    names = ("boxes", "scores", "labels")
    values = {name: tuple(chain(*(getattr(part, name) for part in parts))) for name in names}
    masks = [part.masks for part in parts]
    return Boxes(**values, masks=None if None in masks else tuple(chain(*masks)))


def release_memory() -> None:
    """Return cached memory of GPUs, so that other processes can use it."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
