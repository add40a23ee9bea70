"""From an image file to the float array that a sample holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio import DatasetReader

from terratorch.contracts.images import Pixels
from terratorch.contracts.input_spec import ImageSpec
from terratorch.errors import DataError
from terratorch.geo.raster import RasterData, open_raster, read_bands


@dataclass(frozen=True)
class ImageReader:
    """Reads the selected bands, replaces what is not valid, and scales.

    Args:
        spec: Which bands, and what is done to their values.
    """

    spec: ImageSpec

    def read(
        self, path: Path, look: Callable[[DatasetReader], None] | None = None
    ) -> NDArray[np.float32]:
        """Read an image as float32 `(C, H, W)`, or `(C, T, H, W)` with time expanded.

        Args:
            path: The file.
            look: Called with the open file, to read more than pixels from it.

        Raises:
            DataError: If it cannot be read, has other bands than expected, or holds nodata or NaN
                that nothing replaces.
        """
        raster = self._read(path, look)
        if raster.invalid is not None and self.spec.no_data_replace is None:
            raise DataError(
                str(path), _what_is_invalid(raster), "Set no_data_replace, for example to 0."
            )
        return self._finish(raster, self.spec.no_data_replace)

    def read_with_validity(self, path: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read an image, and where all its values are valid, `(H, W)`; the others are filled."""
        raster = self._read(path)
        return self.filled(raster), raster.valid

    def filled(
        self, raster: RasterData, fill: Sequence[float] | None = None
    ) -> NDArray[np.float32]:
        """Turn pixels that were read into an image without gaps; floats may change in place.

        Args:
            raster: The pixels of the selected bands.
            fill: Replaces nodata and NaN in each band, after scaling, without `no_data_replace`; 0
                if None.
        """
        if raster.invalid is None:
            return self._finish(raster, None)
        image = self._finish(raster, self.spec.no_data_replace or 0.0)
        if self.spec.no_data_replace is None and fill is not None:
            invalid = raster.invalid.reshape(image.shape)
            for band, value in enumerate(fill):
                image[band][invalid[band]] = value
        return image

    def check(self, path: Path) -> int:
        """Check that a file is an image with the bands expected, without reading its pixels.

        Returns:
            How many bands are read of each time step.
        """
        with open_raster(path) as dataset:
            places = self.indexes(path, dataset)
        return self.spec.selection.count or len(places)

    def _read(self, path: Path, look: Callable[[DatasetReader], None] | None = None) -> RasterData:
        with open_raster(path) as dataset:
            if look is not None:
                look(dataset)
            return read_bands(dataset, self.indexes(path, dataset))

    def indexes(
        self, path: Path, dataset: DatasetReader, places: Sequence[int] | None = None
    ) -> tuple[int, ...]:
        """Return the bands that are read from an open image, counted from 1.

        Args:
            path: The file.
            dataset: The file, opened.
            places: Its bands that belong to this image, counted from 1; None for all.

        Raises:
            DataError: If it has other bands than expected, or complex ones.
        """
        if dataset.dtypes[0].startswith("complex"):
            raise DataError(str(path), "complex values", "Give amplitude, or two real bands.")
        places = dataset.indexes if places is None else places
        selected = self.spec.selection.indexes(path, len(places))
        self.spec.selection.check_order(path, [dataset.descriptions[index - 1] for index in places])
        return tuple(places[place - 1] for place in selected)

    def _finish(self, raster: RasterData, replacement: float | None) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):  # nodata of float64 files is beyond float32
            image: NDArray[np.float32] = raster.data.astype(np.float32, copy=False)
        if raster.invalid is not None and replacement is not None:
            image[raster.invalid] = replacement
        if self.spec.constant_scale != 1:
            image *= np.float32(self.spec.constant_scale)
        if self.spec.has_time:
            bands = self.spec.selection.count
            assert bands is not None
            image = image.reshape(bands, -1, *image.shape[-2:])
        return image


def _what_is_invalid(raster: RasterData) -> str:
    data: Pixels = raster.data
    assert raster.invalid is not None
    pixels = int(raster.invalid.any(axis=0).sum())
    words = "1 pixel is" if pixels == 1 else f"{pixels} pixels are"
    if data.dtype.kind == "f" and not np.isfinite(data[raster.invalid]).all():
        return f"{words} NaN, infinite or nodata"
    value = "masked" if raster.nodata is None else f"{raster.nodata:g}"
    return f"{words} nodata ({value})"
