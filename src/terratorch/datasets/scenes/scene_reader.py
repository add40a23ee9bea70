"""A scene that is read some rows at a time, as `ImageReader` reads it at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.windows import Window

from terratorch.contracts.facts import Sample
from terratorch.contracts.images import Images, Pixels, each_image
from terratorch.contracts.input_spec import InputSpec
from terratorch.datasets.facts import FileFacts, GivenFacts
from terratorch.datasets.scenes.prediction_reader import PredictionReader
from terratorch.geo.raster import RasterData, open_for_long, read_bands, reading_errors

_GRID = 256  # pixels a side of the sample


class SceneReader:
    """An open image to predict; pixels come as `PredictionDataset` gives them, and normalised.

    Args:
        path: The file.
        input_spec: How it is read and normalised.
        check: Takes a sample of the first rows that are read, as a batch of one.
        given: Facts that the user gives.

    Raises:
        DataError: If it is not an image, or has other bands than expected.
    """

    def __init__(
        self,
        path: Path,
        input_spec: InputSpec,
        check: Callable[[Sample], None] | None = None,
        given: GivenFacts | None = None,
    ) -> None:
        self.path = path
        self._check = check
        self._spec = input_spec
        self._reader = PredictionReader(input_spec)
        self._dataset = open_for_long(path)
        with ExitStack() as unusable:
            unusable.callback(self._dataset.close)
            self._bands = self._reader.bands(path, self._dataset)
            self._facts = FileFacts.of(path, self._dataset, self._bands.steps, given)
            unusable.pop_all()
        self.block_height: int = self._dataset.block_shapes[0][0]

    def read_rows(self, begin: int, end: int) -> tuple[Pixels, NDArray[np.bool_] | None]:
        """Return `(C, n, W)` in the dtype of the file, and its mask of invalid values or None."""
        window = Window(0, begin, self._dataset.width, end - begin)
        with reading_errors(self.path):
            raster = read_bands(self._dataset, self._bands.indexes, window)
        if self._check is not None:
            self._check(self._sample(raster))
            self._check = None
        return raster.data, raster.invalid

    def to_image(self, data: Pixels, invalid: NDArray[np.bool_] | None) -> Images:
        """Return the normalised `(1, C, h, w)`, or `(1, C, T, h, w)`, of pixels that were read."""
        if data.dtype == np.float32:
            data = data.copy()  # it is filled and scaled in place, and other tiles look at it too
        images = self._reader.image(RasterData(self.path, data, invalid, None), self._bands)
        batch = each_image(images, partial(torch.unsqueeze, dim=0))
        return self._spec.normalize(batch, in_place=True)

    @property
    def date_source(self) -> str:
        """Where the date of the image is from; empty if it is not known."""
        return self._facts.date_source

    def facts(
        self, top: int = 0, left: int = 0, height: int | None = None, width: int | None = None
    ) -> dict[str, Images]:
        """Return the facts of a window, by default of the whole image, as a batch of one.

        See `terratorch.contracts.facts` for the names.
        """
        size = height or self._dataset.height, width or self._dataset.width
        known = self._facts.of_window(top, left, *size)
        facts: dict[str, Images] = {name: value.unsqueeze(0) for name, value in known.items()}
        if not self._spec.is_single:
            facts["missing"] = each_image(
                self._reader.missing(self._bands), partial(torch.unsqueeze, dim=0)
            )
        return facts

    def _sample(self, raster: RasterData) -> Sample:
        """Return a batch of a grid of pixels."""
        down, across = (max(size // _GRID, 1) for size in raster.data.shape[1:])
        grid = (slice(None), slice(None, None, down), slice(None, None, across))
        data = raster.data[grid]
        invalid = None if raster.invalid is None else raster.invalid[grid]
        sample = RasterData(self.path, data, invalid, None)
        return {
            "image": self.to_image(data, invalid),
            "valid": torch.from_numpy(sample.valid).unsqueeze(0),
            "filename": [str(self.path)],
        }

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()
