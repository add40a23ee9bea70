"""Loaders: batches of one size, and errors as they are, from worker processes too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler, default_collate, get_worker_info

from terratorch.datasets.delivery import DeliversErrors
from terratorch.datasets.prediction import PredictionDataset
from terratorch.errors import DataError, TerraTorchError


class Loader(DataLoader[Any]):
    """A data loader that raises the errors that a worker delivered."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a generator is an iterator
        for batch in super().__iter__():
            if isinstance(batch, TerraTorchError):
                raise batch
            yield batch


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
            return DataError(
                str(first["filename"]),
                f"the image is {_size(first)}, but {other['filename']} in the same batch is "
                f"{_size(other)}",
                "Bring all to one size with a transform such as RandomCrop, CenterCrop or Resize, "
                "or set batch_size to 1.",
            )
    return None


def _size(sample: dict[str, Any]) -> str:
    return " x ".join(str(size) for size in sample["image"].shape)


class SameSizeBatches(Sampler[list[int]]):
    """Batches of images of one size, in order: a batch ends where the size changes.

    Args:
        dataset: Whose images they are.
        batch_size: How many at most.
    """

    def __init__(self, dataset: PredictionDataset, batch_size: int) -> None:
        self._batches: list[list[int]] = []
        last: tuple[int, ...] | None = None
        for index in range(len(dataset)):
            shape = dataset.shape(index)
            if shape == last and len(self._batches[-1]) < batch_size:
                self._batches[-1].append(index)
            else:
                self._batches.append([index])
            last = shape

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)


def prediction_loader(
    dataset: PredictionDataset, batch_size: int, num_workers: int
) -> DataLoader[Any]:
    """Return a loader over images of any sizes."""
    if batch_size == 1:
        batches: dict[str, Any] = {"batch_size": 1}
    else:
        batches = {"batch_sampler": SameSizeBatches(dataset, batch_size)}
    return Loader(
        dataset,
        **batches,
        num_workers=num_workers,
        collate_fn=collate,
        worker_init_fn=ask_for_errors if num_workers else None,
    )


def pinned(wanted: bool) -> bool:
    """Return whether to pin memory: only where there is a device that gains by it."""
    return wanted and torch.cuda.is_available()
