"""What a map page shows, as bytes: the scene as RGBA, classes and values as one index a pixel.

An index is what the page looks up in a table of colours, so that a class can be switched off and
the value under the cursor be read.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.windows import Window

from terratorch.drawing.maps import read_rgb, read_values, reduced_shape
from terratorch.drawing.paint import scale_index, stretch, stretch_limits, value_limits
from terratorch.errors import DataError
from terratorch.evaluation.ramps import value_scale
from terratorch.geo.raster import reading_errors

Pixels = NDArray[np.uint8]

TILE = 256
"""Pixels of a side of a tile."""

HIDDEN = 255
"""The index of nodata."""
VALUE_STEPS = 255
"""How many values a scale has: what lies between two of them is not told apart."""

_SAMPLED = 1024  # pixels of a side that the stretch of colours is taken from
_SQUARES = 8  # a side, of a raster that is too large for that
_WEBP = {"format": "WEBP", "quality": 80, "method": 2}  # 2: half the time of 4 for 3 % more bytes


class PageLayer(ABC):
    """A band, or three, of an open raster, read bit by bit.

    Args:
        dataset: An open `rasterio.DatasetReader`.
    """

    kind: str
    """`colors`, `classes` or `values`."""
    mime: str
    """Of the tiles."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def read(self, window: Window, shape: tuple[int, int]) -> Pixels:
        """Read a part: `(h, w)` indices or `(h, w, 4)` colours, for `shape` = `(h, w)`.

        Raises:
            DataError: If the file is damaged, or its pixels cannot be shown.
        """
        height, width = shape
        with reading_errors(self.dataset.name):
            if window.height <= height and window.width <= width:
                return self._read(window, shape)
            # Four samples for each: as good to look at as all of them, in a quarter of the time.
            return self.halve(self._read(window, (2 * height, 2 * width)))

    @abstractmethod
    def _read(self, window: Window, shape: tuple[int, int]) -> Pixels: ...

    @abstractmethod
    def halve(self, pixels: Pixels) -> Pixels:
        """Return pixels of even height and width at half the resolution."""

    @abstractmethod
    def encode(self, tile: Pixels) -> bytes | None:
        """Return a tile as an image file, None where there is nothing to see."""


class SceneLayer(PageLayer):
    """A scene in colours, each band stretched between two percentiles.

    Args:
        dataset: The open scene.
        bands: For red, green and blue, counted from 1.
    """

    kind, mime = "colors", "image/webp"

    def __init__(self, dataset: Any, bands: Sequence[int]) -> None:
        super().__init__(dataset)
        self.bands = list(bands)
        with reading_errors(dataset.name):
            samples = [read_rgb(dataset, self.bands, **how) for how in _samples(dataset)]
        seen = np.concatenate([pixels[~hidden] for pixels, hidden in samples])
        self._limits = stretch_limits(seen, np.zeros(len(seen), bool))

    def _read(self, window: Window, shape: tuple[int, int]) -> Pixels:
        pixels, hidden = read_rgb(self.dataset, self.bands, window=window, shape=shape)
        pixels[hidden] = 0
        colors = np.empty((*shape, 4), np.uint8)
        colors[..., :3] = np.rint(stretch(pixels, self._limits) * 255)
        colors[..., 3] = np.where(hidden, 0, 255)
        return colors

    def halve(self, pixels: Pixels) -> Pixels:
        """Return the mean of each four pixels that are seen."""
        four = _quarters(pixels).astype(np.uint16)
        seen = four[..., 3:] // 255
        mean = _rounded_mean((four[..., :3] * seen).sum(0), seen.sum(0))
        alpha = np.where(seen.any(0), 255, 0)
        return np.concatenate([mean, alpha], -1).astype(np.uint8)

    def encode(self, tile: Pixels) -> bytes | None:
        """Return a WebP, with transparency where it is needed."""
        if not tile[..., 3].any():
            return None
        opaque = bool(tile[..., 3].all())
        image = Image.fromarray(np.ascontiguousarray(tile[..., :3] if opaque else tile))
        return _saved(image, **_WEBP)


class IndexLayer(PageLayer):
    """One index a pixel: a grey PNG, which no browser changes."""

    mime = "image/png"

    def encode(self, tile: Pixels) -> bytes | None:
        """Return a PNG of 1 to 8 bits a pixel, as the indices need."""
        used = np.flatnonzero(np.bincount(tile.ravel(), minlength=256))
        if used.tolist() == [HIDDEN]:
            return None
        # The palette holds the indices as greys; few of them are stored in fewer bits.
        place = np.zeros(256, np.uint8)
        place[used] = np.arange(len(used))
        image = Image.fromarray(place[tile]).convert("L")
        image.putpalette(np.repeat(used.astype(np.uint8), 3).tobytes())
        return _saved(image, format="PNG", compress_level=7)


class ClassLayer(IndexLayer):
    """Class ids.

    Args:
        dataset: The open map.
        band: Counted from 1.
        classes: How many there are.
        ignore_others: Whether another id is shown as nodata, as of labels that leave pixels out,
            rather than refused.

    Raises:
        DataError: If there are too many classes, or the pixels are no ids.
    """

    kind = "classes"

    def __init__(self, dataset: Any, band: int, classes: int, ignore_others: bool = False) -> None:
        super().__init__(dataset)
        self.band, self.classes, self.ignore_others = band, classes, ignore_others
        if classes > HIDDEN:
            raise DataError(
                dataset.name,
                f"it has {classes} classes; a page shows up to {HIDDEN}",
                "Merge classes, or look at it in a GIS.",
            )
        if np.dtype(dataset.dtypes[band - 1]).kind not in "iu":
            raise DataError(
                dataset.name,
                f"its pixels are {dataset.dtypes[band - 1]}, those of the map are class ids",
                "Give labels of the same classes.",
            )

    def _read(self, window: Window, shape: tuple[int, int]) -> Pixels:
        ids, hidden = read_values(self.dataset, self.band, window=window, shape=shape)
        other = ((ids < 0) | (ids >= self.classes)) & ~hidden
        if not self.ignore_others and other.any():
            raise DataError(
                self.dataset.name,
                f"it holds the class {ids[other][0]}, and has names for {self.classes} classes",
                "Where it stands for no data, make it the nodata value of the file.",
            )
        return np.where(hidden | other, HIDDEN, ids).astype(np.uint8)

    def halve(self, pixels: Pixels) -> Pixels:
        """Return the commonest class of each four pixels."""
        a, b, c, d = _quarters(pixels)
        rest = np.where((b == c) | (b == d), b, np.where(c == d, c, a))
        return np.where((a == b) | (a == c) | (a == d), a, rest)


class ValueLayer(IndexLayer):
    """Values, as steps of a scale.

    Args:
        dataset: The open map.
        band: Counted from 1.
        limits: The ends of the scale; None takes them from the values.
    """

    kind = "values"

    def __init__(self, dataset: Any, band: int, limits: tuple[float, float] | None = None) -> None:
        super().__init__(dataset)
        self.band = band
        self.limits = limits or self._own_limits()

    def _own_limits(self) -> tuple[float, float]:
        with reading_errors(self.dataset.name):
            samples = [
                read_values(self.dataset, self.band, **how) for how in _samples(self.dataset)
            ]
        return value_scale(
            value_limits(np.concatenate([values[~hidden] for values, hidden in samples]))
        )

    def _read(self, window: Window, shape: tuple[int, int]) -> Pixels:
        values, hidden = read_values(self.dataset, self.band, window=window, shape=shape)
        steps = scale_index(values, self.limits, VALUE_STEPS)
        return np.where(hidden, HIDDEN, steps).astype(np.uint8)

    def halve(self, pixels: Pixels) -> Pixels:
        """Return the mean of each four steps that are seen."""
        four = _quarters(pixels).astype(np.uint16)
        seen = four != HIDDEN
        mean = _rounded_mean((four * seen).sum(0), seen.sum(0))
        return np.where(seen.any(0), mean, HIDDEN).astype(np.uint8)


def _rounded_mean(sums: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """Return means to the nearest whole: cut off, each level would be lower than the last."""
    counts = np.maximum(counts, 1)
    return (sums + counts // 2) // counts


def _samples(dataset: Any) -> list[dict[str, Any]]:
    """Return how to read what stands for all pixels: all at a low resolution, or squares of them.

    A large file without overviews would be read as a whole for the first.
    """
    height, width = dataset.height, dataset.width
    if dataset.overviews(1) or max(height, width) <= 4 * _SAMPLED:
        return [{"shape": reduced_shape(height, width, _SAMPLED)}]
    squares = (
        Window(column * width // _SQUARES, row * height // _SQUARES, TILE, TILE)
        for row in range(_SQUARES)
        for column in range(_SQUARES)
    )
    whole = Window(0, 0, width, height)
    return [{"window": square.intersection(whole)} for square in squares]


def _quarters(pixels: Pixels) -> Pixels:
    """Return the four pixels of each square, `(4, h / 2, w / 2, ...)`."""
    return np.stack([pixels[row::2, column::2] for row in (0, 1) for column in (0, 1)])


def _saved(image: Image.Image, **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **how)
    return buffer.getvalue()
