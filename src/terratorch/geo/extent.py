"""Longitude and latitude of rasters and points."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError  # has no public name, but it is what transforms raise
from rasterio.errors import CRSError
from rasterio.warp import transform, transform_bounds

from terratorch.geo.types import CRS, Array, Bounds, DatasetReader

LON_LAT = "EPSG:4326"
METRES_PER_DEGREE = 111_320.0  # along the equator, and nearly so along a meridian

# Raised for grids of drones, buildings and other planets, which do not transform to degrees.
_NOT_ON_GLOBE = (CRSError, CPLE_BaseError)


def lon_lat_bounds(dataset: DatasetReader) -> Bounds | None:
    """Return the bounds of an open raster in degrees; None if it is not on the globe.

    Rows may run upwards, columns to the left, both rotated, and longitudes beyond 180 degrees.
    Grids whose outer pixels are centred on the poles end there, not half a pixel beyond.
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
    except _NOT_ON_GLOBE:
        return None
    west, south, east, north = bounds
    if not (all(map(math.isfinite, bounds)) and abs(south) <= 90 >= abs(north)):
        return None
    if east - west >= 360:
        return -180.0, south, 180.0, north
    return _wrapped(west, 180.0), south, _wrapped(east, -180.0), north


def lon_lat_points(crs: CRS, xs: Array, ys: Array) -> NDArray[np.float64] | None:
    """Return longitude and latitude of points `(..., 2)`; None if one is not on the globe.

    Args:
        crs: Of the coordinates.
        xs: Eastings, or longitudes.
        ys: Northings, or latitudes, of the same shape.
    """
    try:
        points = transform(crs, LON_LAT, np.ravel(xs).tolist(), np.ravel(ys).tolist())
    except _NOT_ON_GLOBE:
        return None
    lonlat = np.stack(points[:2], -1).reshape(*np.shape(xs), 2)
    return lonlat if np.isfinite(lonlat).all() else None


def _between_poles(south: float, north: float, pixel: float) -> tuple[float, float]:
    """Clip latitudes to the poles if they exceed them by at most a pixel."""
    if -90 - pixel <= south < -90:
        south = -90.0
    if 90 < north <= 90 + pixel:
        north = 90.0
    return south, north


def _wrapped(longitude: float, excluded: float) -> float:
    """Return a longitude within -180 to 180, with the sign of one of the two ends changed."""
    if not -180 <= longitude <= 180:
        longitude = (longitude + 180) % 360 - 180
    return -longitude if longitude == excluded else longitude
