"""Loaders: batches of one size, and errors as they are, from worker processes too."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, default_collate, get_worker_info

from terratorch.datasets.delivery import DeliversErrors
from terratorch.datasets.prediction import PredictionBatches, PredictionDataset
from terratorch.errors import DataError, TerraTorchError


class Loader(DataLoader[Any]):
    """A data loader that raises the errors that a worker delivered."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a generator is an iterator
        error = yield from _until_error(super().__iter__())
        if error is not None:
            # Let go of persistent workers, so that they stop at once: the traceback of the error
            # would hold them, and their queues, in a cycle that is only collected late.
            self._iterator = None
            try:
                raise error
            finally:
                del error


def _until_error(batches: Iterator[Any]) -> Generator[Any, None, TerraTorchError | None]:
    for batch in batches:
        if isinstance(batch, TerraTorchError):
            return batch
        yield batch
    return None


def ask_for_errors(_worker: int) -> None:
    """Have the data set deliver its errors; run in each worker as it starts."""
    info = get_worker_info()
    assert info is not None
    if isinstance(info.dataset, DeliversErrors):
        info.dataset.deliver_errors = True


def collate(samples: list[Any]) -> Any:
    """Stack samples to a batch, or return the error that the data set delivered instead."""
    if isinstance(samples[0], TerraTorchError):
        return samples[0]
    return default_collate(samples)


def collate_of_one_size(samples: list[Any]) -> Any:
    """Stack samples to a batch, with an explanation where their images differ in size."""
    if isinstance(samples[0], TerraTorchError):
        return samples[0]
    error = _different_sizes(samples)
    if error is None:
        return default_collate(samples)
    if get_worker_info() is None:
        raise error
    return error


def _different_sizes(samples: list[dict[str, Any]]) -> DataError | None:
    first = samples[0]
    for other in samples[1:]:
        if other["image"].shape != first["image"].shape:
            same_pixels = other["image"].shape[-2:] == first["image"].shape[-2:]
            return DataError(
                str(first["filename"]),
                f"the image is {_size(first)}, but {other['filename']} in the same batch is "
                f"{_size(other)}",
                "All need the same bands and time steps."
                if same_pixels
                else "Bring all to one size with a transform such as RandomCrop, CenterCrop or "
                "Resize, or set batch_size to 1.",
            )
    return None


def _size(sample: dict[str, Any]) -> str:
    return " x ".join(str(size) for size in sample["image"].shape)


def first_sample(samples: list[Any]) -> Any:
    """Return the only sample: what a data set gives is a whole batch, or needs none."""
    return samples[0]


def prediction_loader(
    dataset: PredictionDataset, batch_size: int, num_workers: int
) -> DataLoader[Any]:
    """Return a loader over images of any sizes; a batch ends where the size changes."""
    # Not by a batch sampler: for prediction, Lightning takes only those that it can build.
    return Loader(
        PredictionBatches(dataset, batch_size),
        num_workers=num_workers,
        collate_fn=first_sample,
        worker_init_fn=ask_for_errors if num_workers else None,
    )


def pinned(wanted: bool) -> bool:
    """Return whether to pin memory: only where there is a device that gains by it."""
    return wanted and torch.cuda.is_available()
