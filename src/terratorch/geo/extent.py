"""Where rasters and points lie on the globe, in longitude and latitude."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # has no public name, but it is what transforms raise
from rasterio.errors import CRSError
from rasterio.warp import transform, transform_bounds

LON_LAT = "EPSG:4326"
METRES_PER_DEGREE = 111_320.0  # along the equator, and nearly so along a meridian

# Of the grid of a drone, a building or another planet, which no rule leads to degrees.
_NO_PLACE = (CRSError, CPLE_BaseError)

Bounds = tuple[float, float, float, float]
"""West, south, east and north, in degrees; west is larger than east across the antimeridian."""


def lon_lat_bounds(dataset: Any) -> Bounds | None:
    """Return the bounds of an open raster; None where it has no place on the globe.

    Rows may run upwards, columns to the left, both askew, and longitudes beyond 180 degrees. Grids
    whose pixels lie around the poles end there, and not half a pixel beyond.

    Args:
        dataset: An open `rasterio.DatasetReader`.
    """
    if dataset.crs is None or dataset.transform.is_identity:
        return None
    width, height = dataset.width, dataset.height
    corners = [dataset.transform * corner for corner in ((0, 0), (width, 0), (0, height))]
    corners.append(dataset.transform * (width, height))
    (left, right), (bottom, top) = ((min(axis), max(axis)) for axis in zip(*corners, strict=True))
    if dataset.crs.is_geographic:
        bottom, top = _between_poles(bottom, top, (top - bottom) / height)
    try:
        bounds = transform_bounds(dataset.crs, LON_LAT, left, bottom, right, top)
    except _NO_PLACE:
        return None
    west, south, east, north = bounds
    if not (all(map(math.isfinite, bounds)) and abs(south) <= 90 >= abs(north)):
        return None
    if east - west >= 360:
        return -180.0, south, 180.0, north
    return _wrapped(west, 180.0), south, _wrapped(east, -180.0), north


def lon_lat_points(crs: Any, xs: NDArray[Any], ys: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return longitude and latitude of points `(..., 2)`; None where one has no place on the globe.

    Args:
        crs: Of the coordinates.
        xs: Eastings, or longitudes.
        ys: Northings, or latitudes, of the same shape.
    """
    try:
        points = transform(crs, LON_LAT, np.ravel(xs).tolist(), np.ravel(ys).tolist())
    except _NO_PLACE:
        return None
    lonlat = np.stack(points[:2], -1).reshape(*np.shape(xs), 2)
    return lonlat if np.isfinite(lonlat).all() else None


def _between_poles(south: float, north: float, pixel: float) -> tuple[float, float]:
    """Return latitudes that end at the poles, where they reach beyond by no more than a pixel."""
    if -90 - pixel <= south < -90:
        south = -90.0
    if 90 < north <= 90 + pixel:
        north = 90.0
    return south, north


def _wrapped(longitude: float, never: float) -> float:
    """Return a longitude within -180 to 180, of which one end is not what is meant."""
    if not -180 <= longitude <= 180:
        longitude = (longitude + 180) % 360 - 180
    return -longitude if longitude == never else longitude
