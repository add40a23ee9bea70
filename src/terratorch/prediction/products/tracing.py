"""Polygons of the pixels of a class map, and means of another layer within them.

Everything is in pixel coordinates: the corners of pixels are whole numbers, so that neighbours
share their corners exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize, shapes
from rasterio.transform import Affine

from terratorch.geo.types import DatasetReader

# Class ids that GDAL makes polygons of without a loss.
TRACEABLE = ("uint8", "int8", "uint16", "int16", "int32")

_CHUNK = 2_000  # polygons that are kept as tuples
_VALUES = 2**24  # of a layer that are read at once

PolygonArray = NDArray[np.object_]
# Maps `(n,)` polygons in pixel coordinates to `(n,)` areas.
Measure = Callable[[PolygonArray], NDArray[np.float64]]
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

    polygons: PolygonArray
    classes: NDArray[np.int32]
    areas: NDArray[np.float64]


def trace(dataset: DatasetReader, measure: Measure, min_area: float = 0.0) -> Traced:
    """Return a polygon for each group of pixels of one class that share sides.

    GDAL reads the map line by line: memory depends on the polygons, not on the map.

    Args:
        dataset: An open map; its nodata is skipped.
        measure: Returns the areas.
        min_area: Smaller polygons are dropped.
    """
    traced = (
        (shape["coordinates"], int(value))
        for shape, value in shapes(rasterio.band(dataset, 1))
        if value != dataset.nodata
    )
    to_pixels = ~dataset.transform  # GDAL returns coordinates
    parts = [Traced(np.empty(0, object), np.empty(0, np.int32), np.empty(0))]
    while chunk := list(islice(traced, _CHUNK)):
        polygons = _polygons([rings for rings, _ in chunk], to_pixels)
        classes = np.array([value for _, value in chunk], np.int32)
        areas = measure(polygons)
        large = areas >= min_area
        parts.append(Traced(polygons[large], classes[large], areas[large]))
    return Traced(
        np.concatenate([part.polygons for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.areas for part in parts]),
    )


def _polygons(members: list[list[list[tuple[float, float]]]], to_pixels: Affine) -> PolygonArray:
    """Return polygons from the rings of each, at once: one by one takes ten times as long."""
    rings = list(chain.from_iterable(members))
    flat = chain.from_iterable(chain.from_iterable(rings))
    x, y = np.fromiter(flat, np.float64).reshape(-1, 2).T
    corners = np.rint(np.column_stack(to_pixels * (x, y)))
    offsets = (_offsets(map(len, rings)), _offsets(map(len, members)))
    polygons: PolygonArray = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, corners, offsets
    )
    return polygons


def _offsets(lengths: Iterable[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *lengths], dtype=np.int64)


def simplified(polygons: PolygonArray, tolerance: float) -> PolygonArray:
    """Return simpler polygons; borders that neighbours share stay shared.

    Corners are removed by the area that they span (Visvalingam and Whyatt, "Line generalisation by
    repeated elimination of points", 1993), in all polygons at once.

    Args:
        polygons: As returned by `trace`.
        tolerance: Side, in pixels, of a square as large as what the removal of a corner may change.
    """
    simple: PolygonArray = shapely.coverage_simplify(_noded(polygons), tolerance)
    return simple


def _noded(polygons: PolygonArray) -> PolygonArray:
    """Return polygons with a corner wherever another one has a corner on their border.

    Where three meet, the straight side of one has none: it would not count as a shared border.
    """
    kind, points, (rings, members) = shapely.to_ragged_array(shapely.segmentize(polygons, 1.0))
    points = np.rint(points)
    numbers = np.array([1, points[:, 0].max() + 1])  # make one number of column and row
    kept = np.isin(points @ numbers, shapely.get_coordinates(polygons) @ numbers)
    offsets = np.concatenate([[0], np.cumsum(kept)])[rings]
    noded: PolygonArray = shapely.from_ragged_array(kind, points[kept], (offsets, members))
    return noded


def means_within(
    polygons: PolygonArray, read: ReadRows, shape: tuple[int, int], bands: int
) -> NDArray[np.float64]:
    """Return the mean of a layer within each polygon, `(n,)`; its rows are read once.

    Args:
        polygons: As returned by `trace`.
        read: Reads rows of the layer.
        shape: Rows and columns.
        bands: Values that are read for each pixel.
    """
    height, width = shape
    step = max(_VALUES // (bands * width), 1)
    _, tops, _, bottoms = shapely.bounds(polygons).T
    totals, counts = np.zeros(len(polygons)), np.zeros(len(polygons))
    for top in range(0, height, step):
        bottom = min(top + step, height)
        near = np.flatnonzero((tops < bottom) & (bottoms > top))
        if not near.size:
            continue
        parts = shapely.clip_by_rect(polygons[near], -1, top - 1, width + 1, bottom + 1)
        numbers = rasterize(
            zip(parts, range(1, len(near) + 1), strict=True),
            (bottom - top, width),
            transform=Affine.translation(0, top),
            dtype="int32",
        ).ravel()
        totals[near] += np.bincount(numbers, read(top, bottom).ravel(), len(near) + 1)[1:]
        counts[near] += np.bincount(numbers, minlength=len(near) + 1)[1:]
    return totals / counts
