"""Where the pixels of a map lie: coordinates, longitude and latitude, metres, north."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from terratorch.drawing.maps import metres_per_pixel
from terratorch.errors import DataError
from terratorch.geo.extent import lon_lat_points

_KNOTS = 17  # a side: between two, longitude and latitude are interpolated
_WIDEST_STEP = 25.0  # degrees between two knots; those of a map of the world are 22.5 apart
_NORTH_UP_DEGREES = 5.0  # the grids of UTM zones turn by less


@dataclass(frozen=True)
class MapLocation:
    """Where the pixels of a map lie; None is what is not known.

    Attributes:
        transform: From column and row to coordinates: `x = a * column + b * row + c`,
            `y = d * column + e * row + f`.
        crs: The name of the coordinate reference system.
        is_geographic: Whether the coordinates are longitude and latitude.
        lonlat: Longitudes and latitudes at even distances over the map, `(knots, knots, 2)`.
        metres: The width of a pixel.
        north: Where north is, in degrees clockwise from up; None where it is up, too.
    """

    transform: list[float] | None = None
    crs: str | None = None
    is_geographic: bool = False
    lonlat: list[list[list[float]]] | None = None
    metres: float | None = None
    north: float | None = None

    @classmethod
    def of(cls, dataset: Any) -> MapLocation:
        """Read it from an open raster."""
        transform, crs = dataset.transform, dataset.crs
        if transform.is_identity:
            return cls()
        numbers = list(transform)[:6]
        if crs is None:
            return cls(numbers)
        lonlat = _lonlat(dataset)
        return cls(
            transform=numbers,
            crs=_name(crs),
            is_geographic=crs.is_geographic,
            lonlat=None if lonlat is None else np.round(lonlat, 7).tolist(),
            metres=metres_per_pixel(dataset),
            north=None if lonlat is None else _north(lonlat, dataset.height / dataset.width),
        )


def _name(crs: Any) -> str:
    authority = crs.to_authority()
    if authority:
        return ":".join(authority)
    return crs.to_dict().get("proj", "unnamed CRS")


def _lonlat(dataset: Any) -> np.ndarray | None:
    """Return longitude and latitude at knots over the map, `(knots, knots, 2)`.

    Around a pole there are none: between two knots the longitude may be any.
    """
    columns = np.linspace(0, dataset.width, _KNOTS)
    rows = np.linspace(0, dataset.height, _KNOTS)
    across, down = (points.ravel() for points in np.meshgrid(columns, rows))
    points = lon_lat_points(dataset.crs, *(dataset.transform * (across, down)))
    if points is None:
        return None
    lonlat = points.reshape(_KNOTS, _KNOTS, 2)
    # A map across the date line has longitudes beyond 180, so that they can be interpolated.
    for axis in (0, 1):
        lonlat[..., 0] = np.unwrap(lonlat[..., 0], period=360, axis=axis)
    steps = [np.abs(np.diff(lonlat[..., 0], axis=axis)).max() for axis in (0, 1)]
    return lonlat if max(steps) < _WIDEST_STEP else None


def _north(lonlat: np.ndarray, aspect: float) -> float | None:
    """Return where north is in the middle, in degrees clockwise from up; None where it is up."""
    middle = _KNOTS // 2
    right = lonlat[middle, middle + 1] - lonlat[middle, middle - 1]
    down = (lonlat[middle + 1, middle] - lonlat[middle - 1, middle]) / aspect
    # The direction on the map along which the latitude grows fastest, on the sphere.
    shrink = math.cos(math.radians(lonlat[middle, middle, 1]))
    right, down = right * (shrink, 1), down * (shrink, 1)
    if abs(right[0] * down[1] - right[1] * down[0]) < 1e-15:
        return None
    across, along = np.linalg.solve(np.stack([right, down], -1), np.array([0.0, 1.0]))
    angle = math.degrees(math.atan2(across, -along)) % 360
    is_up = min(angle, 360 - angle) < _NORTH_UP_DEGREES
    return None if is_up else round(angle, 1)


def check_same_grid(dataset: Any, reference: Any, what: str) -> None:
    """Refuse a raster whose pixels do not lie on those of another.

    Args:
        dataset: The open raster.
        reference: The open map.
        what: What the raster is: `scene` or `labels`.

    Raises:
        DataError: If size, transform or CRS differ.
    """
    differs = _difference(dataset, reference)
    if differs is not None:
        mine, other = differs
        verb = "have" if what == "labels" else "has"
        raise DataError(
            str(dataset.name),
            f"the {what} {verb} {mine}, the map {reference.name} has {other}",
            "Scene, labels and map of a page have the same size, transform and CRS.",
        )


def _difference(dataset: Any, reference: Any) -> tuple[str, str] | None:
    sizes = [f"{raster.height} x {raster.width} pixels" for raster in (dataset, reference)]
    if sizes[0] != sizes[1]:
        return sizes[0], sizes[1]
    if dataset.crs != reference.crs:
        names = [
            f"the CRS {_name(raster.crs)}" if raster.crs else "no CRS"
            for raster in (dataset, reference)
        ]
        if names[0] == names[1]:  # two definitions of one name
            names = [f"the CRS {raster.crs.to_wkt()}" for raster in (dataset, reference)]
        return names[0], names[1]
    corners = np.array([(0, dataset.width, 0), (0, 0, dataset.height)], float)
    apart = np.subtract(dataset.transform * corners, reference.transform * corners)
    # Files of other programs round the corner; a hundredth of a pixel is not seen.
    if np.abs(apart).max() > math.hypot(reference.transform.a, reference.transform.d) / 100:
        shown = [_corner(raster.transform) for raster in (dataset, reference)]
        return shown[0], shown[1]
    return None


def _corner(transform: Any) -> str:
    return (
        f"its corner at {transform.c:.10g}, {transform.f:.10g} and pixels of "
        f"{transform.a:.6g} x {transform.e:.6g}"
    )
