"""Images without labels, to predict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.data import Dataset, default_collate

from terratorch.contracts.facts import Sample
from terratorch.contracts.input_spec import InputSpec
from terratorch.datasets.delivery import DeliversErrors
from terratorch.datasets.facts import FileFacts, GivenFacts
from terratorch.datasets.scenes.prediction_reader import PredictionReader
from terratorch.geo.raster import open_raster, read_bands


class PredictionDataset(DeliversErrors, Dataset[Sample]):
    """Images, read as for training but without gaps, with a mask of what is valid in them.

    Args:
        paths: The files.
        input_spec: How they are read.
        given: Facts that the user gives.
    """

    def __init__(
        self, paths: Sequence[Path], input_spec: InputSpec, given: GivenFacts | None = None
    ) -> None:
        self.paths = list(paths)
        self._given = given
        self._reader = PredictionReader(input_spec)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:
        path = self.paths[index]
        with open_raster(path) as dataset:
            bands = self._reader.bands(path, dataset)
            raster = read_bands(dataset, bands.indexes)
            facts = FileFacts.of(path, dataset, bands.steps, self._given)
        missing = {} if self._reader.is_single else {"missing": self._reader.missing(bands)}
        return {
            "image": self._reader.image(raster, bands),
            "valid": torch.from_numpy(raster.valid),
            "filename": str(path),
            **facts.of_file(),
            **missing,
        }

    def shape(self, index: int) -> tuple[int, ...]:
        """Return bands, height and width of an image, without reading its pixels."""
        with open_raster(self.paths[index]) as dataset:
            return dataset.count, dataset.height, dataset.width


class PredictionBatches(DeliversErrors, Dataset[Sample]):
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

    def __getitem__(self, index: int) -> Sample:
        batch: Sample = default_collate([self.dataset[i] for i in self._batches[index]])
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
