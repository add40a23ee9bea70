"""Images without labels, to predict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

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
