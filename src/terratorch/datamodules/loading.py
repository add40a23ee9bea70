"""Loaders: batches of one size, and errors of worker processes unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from terratorch.contracts.facts import Sample
from terratorch.contracts.input_spec import SINGLE
from terratorch.datamodules.shared_batches import BatchReceiver
from terratorch.datasets.delivery import DeliversErrors
from terratorch.datasets.scenes.prediction_dataset import PredictionBatches, PredictionDataset
from terratorch.errors import DataError, TerraTorchError


class Loader(DataLoader[Any]):
    """A data loader that raises the errors that a worker delivered, and takes shared batches."""

    def __init__(self, dataset: Dataset[Any], **options: Any) -> None:
        super().__init__(dataset, **options)
        self._receiver = BatchReceiver()

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a generator is an iterator
        self._receiver.start()
        batches = map(self._receiver.receive, super().__iter__())
        error = yield from _until_error(batches)
        if error is not None:
            # Free persistent workers, so that they stop at once: the traceback of the error would
            # keep them, and their queues, in a cycle that is only collected late.
            self._iterator = None
            try:
                raise error
            finally:
                del error


def _until_error(batches: Iterator[object]) -> Generator[object, None, TerraTorchError | None]:
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


def delivered_error(samples: Sequence[object]) -> TerraTorchError | None:
    """Return the error that the data set delivered instead of samples, if it did."""
    first = samples[0]
    return first if isinstance(first, TerraTorchError) else None


def error_of_sizes(samples: list[Sample]) -> TerraTorchError | None:
    """Return the error that was delivered, or one where the images differ in size.

    Raises:
        DataError: The latter, if there is no worker to deliver it.
    """
    error = delivered_error(samples) or _different_sizes(samples)
    if error is not None and get_worker_info() is None:
        raise error
    return error


def _different_sizes(samples: list[Sample]) -> DataError | None:
    for name in dict.fromkeys(name for sample in samples for name in _by_modality(sample)):
        having = [sample for sample in samples if name in _by_modality(sample)]
        error = _different_shapes(having, [_by_modality(sample)[name].shape for sample in having])
        if error is not None:
            return error
    return None


def _by_modality(sample: Sample) -> dict[str, Tensor]:
    """Return the images of a sample by modality, those that it has."""
    image = sample["image"]
    images = {SINGLE: image} if isinstance(image, Tensor) else image
    return {name: image for name, image in images.items() if image is not None}


def _different_shapes(samples: list[Sample], sizes: Sequence[torch.Size]) -> DataError | None:
    shapes = [tuple(size) for size in sizes]
    usual = Counter(shapes).most_common(1)[0][0]
    odd = next((place for place, shape in enumerate(shapes) if shape != usual), None)
    if odd is None:
        return None
    shape, other = shapes[odd], _file_of(samples[shapes.index(usual)])
    file = _file_of(samples[odd])
    if shape[0] != usual[0]:
        return DataError(
            file,
            f"{shape[0]} bands, but {other} in the same batch has {usual[0]}",
            "Take it out, or choose bands that all have with output_bands.",
        )
    return DataError(
        file,
        f"the image is {_size(shape)}, but {other} in the same batch is {_size(usual)}",
        "All need the same time steps."
        if shape[-2:] == usual[-2:]
        else "Bring all to one size with a transform such as RandomCrop, CenterCrop or "
        "Resize, or set batch_size to 1.",
    )


def _file_of(sample: Sample) -> str:
    name = sample.get("filename", "an image")
    return str(next(iter(name.values())) if isinstance(name, dict) else name)


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def first_sample(samples: list[Any]) -> Any:
    """Return the only sample: the data set gives whole batches, or needs no batches."""
    return samples[0]


def prediction_loader(dataset: PredictionDataset, batch_size: int, num_workers: int) -> Loader:
    """Return a loader over images of any sizes; a batch ends where the size changes."""
    # Not by a batch sampler: for prediction, Lightning takes only those that it can build.
    return Loader(
        PredictionBatches(dataset, batch_size),
        num_workers=num_workers,
        collate_fn=first_sample,
        worker_init_fn=ask_for_errors if num_workers else None,
    )


def pinned(pin: bool) -> bool:
    """Return whether to pin memory: only if there is a device that profits."""
    return pin and torch.cuda.is_available()
