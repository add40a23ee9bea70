"""Polygons of the pixels of a class map, and means of another layer within them.

All is in pixel coordinates: the corners of pixels are whole numbers, so that neighbours share their
corners exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.features import shapes
from rasterio.transform import Affine

from terratorch.optional import import_optional

# Class ids that GDAL makes polygons of without a loss.
TRACEABLE = ("uint8", "int8", "uint16", "int16", "int32")

_CHUNK = 2_000  # polygons that are held as tuples
_VALUES = 2**24  # of a layer that are read at once

# Maps `(n,)` polygons in pixel coordinates to `(n,)` areas.
Measure = Callable[[NDArray[Any]], NDArray[np.float64]]
# Maps the first row, and the row after the last, to `(n, W)` values.
ReadRows = Callable[[int, int], NDArray[np.float64]]


@dataclass
class Traced:
    """The polygons of a class map.

    Attributes:
        polygons: `(n,)` shapely polygons.
        classes: `(n,)` class ids.
        areas: `(n,)` areas.
    """

    polygons: NDArray[Any]
    classes: NDArray[np.int32]
    areas: NDArray[np.float64]


def import_shapely() -> Any:
    """Return shapely, or say how it is installed."""
    return import_optional("shapely", "vector", "write polygons")


def trace(dataset: Any, measure: Measure, least: float = 0.0) -> Traced:
    """Return a polygon for each group of pixels of one class that share sides.

    GDAL reads the map line by line: memory depends on the polygons, not on the map.

    Args:
        dataset: An open map; its nodata is left out.
        measure: Gives the areas.
        least: Polygons of a smaller area are left out.
    """
    found = (
        (shape["coordinates"], int(value))
        for shape, value in shapes(rasterio.band(dataset, 1))
        if value != dataset.nodata
    )
    to_pixels = ~dataset.transform  # GDAL gives coordinates
    parts = [_empty()]
    while chunk := list(islice(found, _CHUNK)):
        polygons = _polygons([rings for rings, _ in chunk], to_pixels)
        classes = np.array([value for _, value in chunk], np.int32)
        areas = measure(polygons)
        large = areas >= least
        parts.append(Traced(polygons[large], classes[large], areas[large]))
    return Traced(
        np.concatenate([part.polygons for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.areas for part in parts]),
    )


def _empty() -> Traced:
    return Traced(np.empty(0, object), np.empty(0, np.int32), np.empty(0))


def _polygons(members: list[list[list[tuple[float, float]]]], to_pixels: Affine) -> NDArray[Any]:
    """Return polygons from the rings of each, at once: one by one takes ten times as long."""
    shapely = import_shapely()
    rings = list(chain.from_iterable(members))
    flat = chain.from_iterable(chain.from_iterable(rings))
    x, y = np.fromiter(flat, np.float64).reshape(-1, 2).T
    corners = np.rint(np.column_stack(to_pixels * (x, y)))
    offsets = (_offsets(map(len, rings)), _offsets(map(len, members)))
    made: NDArray[Any] = shapely.from_ragged_array(shapely.GeometryType.POLYGON, corners, offsets)
    return made


def _offsets(lengths: Iterable[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *lengths], dtype=np.int64)


def simplified(polygons: NDArray[Any], tolerance: float) -> NDArray[Any]:
    """Return simpler polygons; borders that neighbours share stay shared.

    Corners are removed by the area that they span (Visvalingam and Whyatt, "Line generalisation by
    repeated elimination of points", 1993), in all polygons at once.

    Args:
        polygons: As `trace` gives them.
        tolerance: Side, in pixels, of a square as large as what the removal of a corner may change.
    """
    shapely = import_shapely()
    made: NDArray[Any] = shapely.coverage_simplify(_noded(polygons), tolerance)
    return made


def _noded(polygons: NDArray[Any]) -> NDArray[Any]:
    """Return polygons with a corner wherever one of another lies on their border.

    Where three meet, the straight side of one has no corner: it would not be a shared border.
    """
    shapely = import_shapely()
    _, corners, (rings, members) = shapely.to_ragged_array(polygons)
    corners = np.rint(corners).astype(np.int64)
    axes = np.array([1, corners[:, 0].max() + 1])  # make one number of column and row
    keys = corners @ axes
    sides = np.diff(corners, axis=0, append=0)
    lengths = np.abs(sides).sum(axis=1)
    lengths[rings[1:] - 1] = 1  # no side begins at the last corner of a ring
    starts = np.cumsum(lengths) - lengths
    each = np.repeat(np.arange(len(corners)), lengths)
    along = np.arange(len(each)) - starts[each]
    steps = keys[each] + along * (np.sign(sides) @ axes)[each]
    kept = along == 0
    between = np.flatnonzero(~kept)
    kept[between] = np.isin(steps[between], np.unique(keys))
    counts = np.concatenate([[0], np.cumsum(kept)])
    ends = counts[np.append(starts, len(each))[rings]]
    rows, columns = np.divmod(steps[kept], axes[1])
    made: NDArray[Any] = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON,
        np.column_stack([columns, rows]).astype(float),
        (ends, members),
    )
    return made


def means_within(
    polygons: NDArray[Any], read: ReadRows, height: int, width: int, bands: int
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


def _upright_sides(polygons: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return column, row, sign and polygon of each side of a pixel that a border runs along."""
    shapely = import_shapely()
    # Holes run against their border, so that they are subtracted.
    _, corners, (rings, members) = shapely.to_ragged_array(shapely.orient_polygons(polygons))
    corners = np.rint(corners).astype(np.int32)
    ring_owner = np.repeat(np.arange(len(polygons)), np.diff(members))
    owner = np.repeat(ring_owner, np.diff(rings))
    begin, end = corners[:-1], corners[1:]
    upright = begin[:, 0] == end[:, 0]
    upright[rings[1:-1] - 1] = False  # from the last corner of a ring to the first of the next
    begin, end, owner = begin[upright], end[upright], owner[:-1][upright]
    lengths = np.abs(end[:, 1] - begin[:, 1])
    each = np.repeat(np.arange(len(lengths)), lengths)
    along = np.arange(len(each)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = np.minimum(begin[:, 1], end[:, 1])[each] + along
    signs = np.sign(end[:, 1] - begin[:, 1]).astype(np.float64)[each]
    return begin[each, 0], rows, signs, owner[each]
