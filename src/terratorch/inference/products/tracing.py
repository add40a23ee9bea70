"""Polygons of the pixels of a class map, and means of another layer within them.

All is in pixel coordinates: the corners of pixels are whole numbers, so that neighbours share their
corners exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from terratorch.inference.products.outlining import NOTHING, outlined
from terratorch.inference.products.polygons import Polygons

# Of class ids that polygons are made of.
TRACEABLE = ("uint8", "int8", "uint16", "int16", "int32")

_PIXELS = 2**20  # of the map that are looked at together
_VALUES = 2**24  # of a layer that are read at once

Measure = Callable[[Polygons], NDArray[np.float64]]
# Maps the first row, and the row after the last, to `(n, W)` values.
ReadRows = Callable[[int, int], NDArray[np.float64]]


@dataclass
class Traced:
    """The polygons of a class map.

    Attributes:
        polygons: The `n` polygons.
        classes: `(n,)` class ids.
        areas: `(n,)` areas.
    """

    polygons: Polygons
    classes: NDArray[np.int32]
    areas: NDArray[np.float64]


def trace(dataset: Any, measure: Measure, least: float = 0.0) -> Traced:
    """Return a polygon for each group of pixels of one class that share sides.

    The map is read some rows at a time: memory depends on the borders, not on the map.

    Args:
        dataset: An open map; its nodata is left out.
        measure: Gives the areas.
        least: Polygons of a smaller area are left out.
    """
    polygons, classes = outlined(_rows(dataset), dataset.height)
    areas = measure(polygons)
    large = areas >= least
    return Traced(polygons.where(large), classes[large], areas[large])


def _rows(dataset: Any) -> Iterator[NDArray[np.int64]]:
    """Yield the classes of some rows at a time."""
    for top, bottom in _strips(dataset.height, max(_PIXELS // dataset.width, 1)):
        window = Window(0, top, dataset.width, bottom - top)
        classes = dataset.read(1, window=window).astype(np.int64)
        if dataset.nodata is not None:
            classes[classes == dataset.nodata] = NOTHING
        yield classes


def means_within(
    polygons: Polygons, read: ReadRows, height: int, width: int, bands: int
) -> NDArray[np.float64]:
    """Return the mean of a layer within each polygon, `(n,)`, by a walk along its border.

    By Green's theorem the sum over the pixels of a polygon is that over the upright sides of its
    border, down minus up, of the sum of the row to the left of the side. Rows are read once, and
    the inside of polygons is never visited.

    Args:
        polygons: As `trace` gives them.
        read: Reads rows of the layer.
        height: Rows.
        width: Columns.
        bands: Values that are read for each pixel.
    """
    count = len(polygons)
    columns, rows, signs, owners = _upright_sides(polygons)
    order = np.argsort(rows, kind="stable")
    sorted_rows = rows[order]
    totals = np.zeros(count)
    for top, bottom in _strips(height, max(_VALUES // (bands * width), 1)):
        begin, end = np.searchsorted(sorted_rows, (top, bottom))
        if begin == end:
            continue
        left = np.zeros((bottom - top, width + 1))
        np.cumsum(read(top, bottom), axis=1, out=left[:, 1:])
        part = order[begin:end]
        sums = signs[part] * left[rows[part] - top, columns[part]]
        totals += np.bincount(owners[part], sums, count)
    means: NDArray[np.float64] = totals / np.bincount(owners, signs * columns, count)
    return means


def _strips(height: int, step: int) -> Iterator[tuple[int, int]]:
    for top in range(0, height, step):
        yield top, min(top + step, height)


def _upright_sides(polygons: Polygons) -> tuple[NDArray[Any], ...]:
    """Return column, row, sign and polygon of each side of a pixel that a border runs along."""
    corners, sizes = polygons.corners, np.diff(polygons.rings)
    # Holes are subtracted, however they run.
    ring_sign = polygons.signs * np.sign(polygons.turns(corners))
    ring_owner = np.repeat(np.arange(len(polygons)), np.diff(polygons.members))
    owner, sign = np.repeat(ring_owner, sizes), np.repeat(ring_sign, sizes)
    begin, end = corners[:-1], corners[1:]
    upright = begin[:, 0] == end[:, 0]
    upright[polygons.rings[1:-1] - 1] = False  # from the end of a ring to the next one
    begin, end = begin[upright], end[upright]
    owner, sign = owner[:-1][upright], sign[:-1][upright]
    lengths = np.abs(end[:, 1] - begin[:, 1])
    each = np.repeat(np.arange(len(lengths)), lengths)
    along = np.arange(len(each)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = np.minimum(begin[:, 1], end[:, 1])[each] + along
    signs = (np.sign(end[:, 1] - begin[:, 1]) * sign)[each]
    return begin[each, 0], rows, signs, owner[each]
