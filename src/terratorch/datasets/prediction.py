"""Images without labels, to predict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset, default_collate

from terratorch.datasets.delivery import DeliversErrors
from terratorch.datasets.image_reader import ImageReader
from terratorch.datasets.input_spec import InputSpec
from terratorch.geo.raster import open_raster


class PredictionDataset(DeliversErrors, Dataset[dict[str, Any]]):
    """Images, read as for training, with a mask of what is valid in them.

    Nodata and NaN become `no_data_replace` or, where that is not given, the mean of their band,
    which is 0 after normalisation.

    Args:
        paths: The files.
        input_spec: How they are read.
    """

    def __init__(self, paths: Sequence[Path], input_spec: InputSpec) -> None:
        self.paths = list(paths)
        self._fill = input_spec.means
        self._reader = ImageReader(
            input_spec.selection(), input_spec.constant_scale, input_spec.no_data_replace
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        path = self.paths[index]
        image, valid = self._reader.read_with_validity(path, self._fill)
        return {
            "image": torch.from_numpy(image),
            "valid": torch.from_numpy(valid),
            "filename": str(path),
        }

    def shape(self, index: int) -> tuple[int, ...]:
        """Return bands, height and width of an image, without reading its pixels."""
        with open_raster(self.paths[index]) as dataset:
            return dataset.count, dataset.height, dataset.width


class PredictionBatches(DeliversErrors, Dataset[dict[str, Any]]):
    """Batches of consecutive images of one size.

    Args:
        dataset: The images.
        batch_size: How many at most in a batch.
    """

    def __init__(self, dataset: PredictionDataset, batch_size: int) -> None:
        self.dataset = dataset
        if batch_size == 1:
            self._batches = [[index] for index in range(len(dataset))]
        else:
            self._batches = _runs(
                [dataset.shape(index) for index in range(len(dataset))], batch_size
            )

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> dict[str, Any]:
        batch: dict[str, Any] = default_collate([self.dataset[i] for i in self._batches[index]])
        return batch


def _runs(keys: Sequence[object], longest: int) -> list[list[int]]:
    """Return the indices of equal keys that follow each other, in lists of limited length."""
    runs: list[list[int]] = []
    for index, key in enumerate(keys):
        if index and key == keys[index - 1] and len(runs[-1]) < longest:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs
