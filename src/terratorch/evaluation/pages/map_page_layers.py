"""The layers of a map page as tiles: the scene in colours, classes and values as indices.

The page colours an index by a table, so that it can hide a class and read the value at the pointer.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.windows import Window

from terratorch.drawing.maps import read_rgb, read_values, reduced_shape
from terratorch.drawing.paint import scale_index, stretch, stretch_limits, value_limits
from terratorch.errors import DataError
from terratorch.evaluation.ramps import value_scale
from terratorch.geo.raster import reading_errors
from terratorch.geo.types import DatasetReader

Pixels = NDArray[np.uint8]

TILE = 256
"""Pixels along a side of a tile."""

HIDDEN = 255
"""The index of nodata."""
VALUE_STEPS = 255
"""Steps of a scale of values, the precision at which values are shown."""

_SAMPLED = 1024  # pixels along a side from which stretch and scale are computed
_SQUARES = 8  # along a side, sampled from larger rasters without overviews
_WEBP_METHOD = 2  # half the time of 4 for 3 % more bytes


class PageLayer(ABC):
    """One or three bands of an open raster, read window by window.

    Args:
        dataset: The open raster.
    """

    kind: str
    """`colors`, `classes` or `values`."""
    mime: str
    """The type of the tile images."""

    def __init__(self, dataset: DatasetReader) -> None:
        self.dataset = dataset

    def read(self, window: Window, shape: tuple[int, int]) -> Pixels:
        """Read a window as `(h, w)` indices or `(h, w, 4)` colours, for `shape` = `(h, w)`.

        Raises:
            DataError: If the file is damaged or its pixels cannot be shown.
        """
        height, width = shape
        with reading_errors(self.dataset.name):
            if window.height <= height and window.width <= width:
                return self._read(window, shape)
            # Four samples per pixel look as good as all of them, in a quarter of the time.
            return self.halve(self._read(window, (2 * height, 2 * width)))

    @abstractmethod
    def _read(self, window: Window, shape: tuple[int, int]) -> Pixels: ...

    @abstractmethod
    def halve(self, pixels: Pixels) -> Pixels:
        """Return pixels of even height and width at half the resolution."""

    @abstractmethod
    def encode(self, tile: Pixels) -> bytes | None:
        """Return a tile as an image file, None if nothing in it is visible."""


class SceneLayer(PageLayer):
    """A scene in colours, each band stretched between two percentiles.

    Args:
        dataset: The open scene.
        bands: For red, green and blue, counted from 1.
    """

    kind, mime = "colors", "image/webp"

    def __init__(self, dataset: DatasetReader, bands: Sequence[int]) -> None:
        super().__init__(dataset)
        self.bands = list(bands)
        with reading_errors(dataset.name):
            samples = [read_rgb(dataset, self.bands, *part) for part in _samples(dataset)]
        visible = np.concatenate([pixels[~hidden] for pixels, hidden in samples])
        self._limits = stretch_limits(visible, np.zeros(len(visible), bool))

    def _read(self, window: Window, shape: tuple[int, int]) -> Pixels:
        pixels, hidden = read_rgb(self.dataset, self.bands, window=window, shape=shape)
        pixels[hidden] = 0
        colors = np.empty((*shape, 4), np.uint8)
        colors[..., :3] = np.rint(stretch(pixels, self._limits) * 255)
        colors[..., 3] = np.where(hidden, 0, 255)
        return colors

    def halve(self, pixels: Pixels) -> Pixels:
        """Return the mean of the visible pixels of each square."""
        four = _quarters(pixels).astype(np.uint16)
        visible = four[..., 3:] // 255
        mean = _rounded_mean((four[..., :3] * visible).sum(0), visible.sum(0))
        alpha = np.where(visible.any(0), 255, 0)
        return np.concatenate([mean, alpha], -1).astype(np.uint8)

    def encode(self, tile: Pixels) -> bytes | None:
        """Return a WebP, with transparency if it is needed."""
        if not tile[..., 3].any():
            return None
        opaque = bool(tile[..., 3].all())
        image = Image.fromarray(np.ascontiguousarray(tile[..., :3] if opaque else tile))
        return _saved(image, "WEBP", quality=80, method=_WEBP_METHOD)


class IndexLayer(PageLayer):
    """One index per pixel, as a grey PNG: lossless, and read back exactly by browsers."""

    mime = "image/png"

    def encode(self, tile: Pixels) -> bytes | None:
        """Return a PNG with as many bits per pixel as the indices need."""
        used = np.flatnonzero(np.bincount(tile.ravel(), minlength=256))
        if used.tolist() == [HIDDEN]:
            return None
        # The palette holds the used indices as greys, so that few indices take few bits.
        position = np.zeros(256, np.uint8)
        position[used] = np.arange(len(used))
        image = Image.fromarray(position[tile]).convert("L")
        image.putpalette(np.repeat(used.astype(np.uint8), 3).tobytes())
        return _saved(image, "PNG", compress_level=7)


class ClassLayer(IndexLayer):
    """Class ids.

    Args:
        dataset: The open map.
        band: Counted from 1.
        classes: Number of classes.
        ignore_others: Whether other ids are shown as nodata, as in labels with unlabelled pixels,
            instead of refused.

    Raises:
        DataError: If there are too many classes, or the pixels are not integers.
    """

    kind = "classes"

    def __init__(
        self, dataset: DatasetReader, band: int, classes: int, ignore_others: bool = False
    ) -> None:
        super().__init__(dataset)
        self.band, self.classes, self.ignore_others = band, classes, ignore_others
        if classes > HIDDEN:
            raise DataError(
                dataset.name,
                f"has {classes} classes; a page shows up to {HIDDEN}",
                "Merge classes, or open the map in a GIS.",
            )
        if np.dtype(dataset.dtypes[band - 1]).kind not in "iu":
            raise DataError(
                dataset.name,
                f"its pixels are {dataset.dtypes[band - 1]}, but the map holds class ids",
                "Give labels with the classes of the map.",
            )

    def _read(self, window: Window, shape: tuple[int, int]) -> Pixels:
        ids, hidden = read_values(self.dataset, self.band, window=window, shape=shape)
        other = ((ids < 0) | (ids >= self.classes)) & ~hidden
        if not self.ignore_others and other.any():
            raise DataError(
                self.dataset.name,
                f"it holds the class {ids[other][0]}, but has names for {self.classes} classes",
                "If this id means no data, make it the nodata value of the file.",
            )
        return np.where(hidden | other, HIDDEN, ids).astype(np.uint8)

    def halve(self, pixels: Pixels) -> Pixels:
        """Return the commonest class of each four pixels."""
        a, b, c, d = _quarters(pixels)
        rest = np.where((b == c) | (b == d), b, np.where(c == d, c, a))
        return np.where((a == b) | (a == c) | (a == d), a, rest)


class ValueLayer(IndexLayer):
    """Values as steps of a scale.

    Args:
        dataset: The open map.
        band: Counted from 1.
        limits: The ends of the scale, by default percentiles of the values.
    """

    kind = "values"

    def __init__(
        self, dataset: DatasetReader, band: int, limits: tuple[float, float] | None = None
    ) -> None:
        super().__init__(dataset)
        self.band = band
        self.limits = limits or self._sampled_limits()

    def _sampled_limits(self) -> tuple[float, float]:
        with reading_errors(self.dataset.name):
            samples = [
                read_values(self.dataset, self.band, *part) for part in _samples(self.dataset)
            ]
        return value_scale(
            value_limits(np.concatenate([values[~hidden] for values, hidden in samples]))
        )

    def _read(self, window: Window, shape: tuple[int, int]) -> Pixels:
        values, hidden = read_values(self.dataset, self.band, window=window, shape=shape)
        steps = scale_index(values, self.limits, VALUE_STEPS)
        return np.where(hidden, HIDDEN, steps).astype(np.uint8)

    def halve(self, pixels: Pixels) -> Pixels:
        """Return the mean of the visible steps of each square."""
        four = _quarters(pixels).astype(np.uint16)
        visible = four != HIDDEN
        mean = _rounded_mean((four * visible).sum(0), visible.sum(0))
        return np.where(visible.any(0), mean, HIDDEN).astype(np.uint8)


def _rounded_mean(sums: NDArray[np.integer], counts: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return means rounded to the nearest integer; truncation would darken each further level."""
    counts = np.maximum(counts, 1)
    return (sums + counts // 2) // counts


def _samples(
    dataset: DatasetReader,
) -> Sequence[tuple[Window | None, tuple[int, int] | None]]:
    """Return windows and shapes to read as a sample of all pixels.

    A reduced read of a large file without overviews would read all of it, so that squares of such
    a file are read instead.
    """
    height, width = dataset.height, dataset.width
    if dataset.overviews(1) or max(height, width) <= 4 * _SAMPLED:
        return [(None, reduced_shape(height, width, _SAMPLED))]
    squares = (
        Window(column * width // _SQUARES, row * height // _SQUARES, TILE, TILE)
        for row in range(_SQUARES)
        for column in range(_SQUARES)
    )
    whole = Window(0, 0, width, height)
    return [(square.intersection(whole), None) for square in squares]


def _quarters(pixels: Pixels) -> Pixels:
    """Return the four pixels of each square, `(4, h / 2, w / 2, ...)`."""
    return np.stack([pixels[row::2, column::2] for row in (0, 1) for column in (0, 1)])


def _saved(image: Image.Image, file_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
