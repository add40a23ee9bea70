"""What data sets of image files share: reading, transforms, and a check before training starts."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio import DatasetReader
from torch.utils.data import Dataset

from terratorch.contracts.facts import Sample
from terratorch.contracts.images import Pixels
from terratorch.contracts.input_spec import ImageSpec
from terratorch.datasets.delivery import DeliversErrors
from terratorch.datasets.facts import FileFacts
from terratorch.datasets.image_reader import ImageReader
from terratorch.datasets.transforms.build import Transforms
from terratorch.datasets.transforms.pipeline import as_pipeline
from terratorch.errors import DataError

# Opening a file takes about a millisecond: this many are checked in no time, however many the
# folder holds; the others are checked as they are read.
_CHECKED_FILES = 16
# Files whose facts are kept after the first epoch.
_REMEMBERED = 16_384


class ImageFolderDataset(DeliversErrors, Dataset[Sample]):
    """Base of the data sets of image files.

    Args:
        spec: How images are read.
        transform: Transforms as people write them in YAML, or a `Compose` of albumentations.
        transform_name: What error messages call that option.
        no_label: What stands for no label in masks, where transforms rotate or pad.
    """

    def __init__(
        self,
        spec: ImageSpec,
        transform: Transforms,
        transform_name: str,
        no_label: float | None = None,
    ) -> None:
        super().__init__()
        self.rgb_indices = list(spec.rgb_indices or spec.selection.rgb_places())
        self._reader = ImageReader(spec)
        self._bands: int | None = None  # until some files are checked
        self._facts: dict[Path, Sample] = {}
        self._pipeline = as_pipeline(transform, transform_name, no_label)

    @property
    @abstractmethod
    def image_files(self) -> list[Path]:
        """The images, in the order of the samples."""

    @abstractmethod
    def read_label(self, index: int) -> int | Pixels | None:
        """Return the label of a sample without transforms: a class id, a mask, or None."""

    def read_image(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read an image without transforms, and its mask of valid pixels `(H, W)`."""
        return self._reader.read_with_validity(self.image_files[index])

    def check_files(self) -> int:
        """Open some images spread over all, and check that they have the bands expected.

        Returns:
            How many bands a sample has.

        Raises:
            DataError: If one is not an image, or has other bands.
        """
        files = self.image_files
        step = max(1, len(files) // _CHECKED_FILES)
        counts = [(path, self._reader.check(path)) for path in files[::step]]
        self._bands, _ = Counter(bands for _, bands in counts).most_common(1)[0]
        for path, bands in counts:
            self._check_bands(path, bands)
        return self._bands

    def _read(self, path: Path) -> tuple[NDArray[np.float32], Sample]:
        """Read an image of a sample, `(C, H, W)` or `(C, T, H, W)`, and the facts of its file.

        The facts are of the whole file: transforms of the image do not change them.
        """
        facts = self._facts.get(path)
        if facts is not None:
            image = self._reader.read(path)
        else:
            facts = {}
            image = self._reader.read(path, partial(self._look, path, facts))
            if len(self._facts) < _REMEMBERED:
                self._facts[path] = facts
        self._check_bands(path, len(image))
        return image, facts

    def _look(self, path: Path, facts: Sample, dataset: DatasetReader) -> None:
        steps = self._reader.spec.selection.steps(dataset.count)
        facts |= {**FileFacts.of(path, dataset, steps).of_file(), "filename": str(path)}

    def _check_bands(self, path: Path, bands: int) -> None:
        if self._bands is not None and bands != self._bands:
            raise DataError(
                str(path),
                f"{bands} band{'' if bands == 1 else 's'}, but other images have {self._bands}",
                "Take it out, or choose bands that all have with output_bands.",
            )

    def __len__(self) -> int:
        return len(self.image_files)
