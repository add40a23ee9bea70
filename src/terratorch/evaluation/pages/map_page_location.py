"""Where a map is: coordinates, longitude and latitude, metres, north."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terratorch.drawing.maps import metres_per_pixel
from terratorch.errors import DataError
from terratorch.geo.extent import lon_lat_points
from terratorch.geo.grid import PixelGrid
from terratorch.geo.types import CRS, DatasetReader

_KNOTS = 17  # along a side; longitude and latitude are interpolated between them
_WIDEST_STEP = 25.0  # degrees between two knots; in a map of the world they are 22.5 apart
_NORTH_UP_DEGREES = 5.0  # grids of UTM zones turn by less
_TOLERANCE = 0.01  # pixels; other programs round corners


@dataclass(frozen=True)
class MapLocation:
    """Where the pixels of a map are; unknown values are None.

    Attributes:
        transform: From column and row to coordinates: `x = a * column + b * row + c`,
            `y = d * column + e * row + f`.
        crs: The name of the coordinate reference system.
        is_geographic: Whether the coordinates are longitude and latitude.
        lonlat: Longitudes and latitudes at regular knots, `(knots, knots, 2)`.
        metres: The width of a pixel.
        north: The direction of north, in degrees clockwise from up; None if it is up.
    """

    transform: list[float] | None = None
    crs: str | None = None
    is_geographic: bool = False
    lonlat: list[list[list[float]]] | None = None
    metres: float | None = None
    north: float | None = None

    @classmethod
    def of(cls, dataset: DatasetReader) -> MapLocation:
        """Read the location of an open raster."""
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


def _name(crs: CRS) -> str:
    authority = crs.to_authority()
    return ":".join(authority) if authority else crs.to_dict().get("proj", "unnamed CRS")


def _lonlat(dataset: DatasetReader) -> NDArray[np.float64] | None:
    """Return longitude and latitude at knots over the map, `(knots, knots, 2)`.

    Maps around a pole have none, because longitudes cannot be interpolated there.
    """
    columns = np.linspace(0, dataset.width, _KNOTS)
    rows = np.linspace(0, dataset.height, _KNOTS)
    across, down = (points.ravel() for points in np.meshgrid(columns, rows))
    points = lon_lat_points(dataset.crs, *(dataset.transform * (across, down)))
    if points is None:
        return None
    lonlat = points.reshape(_KNOTS, _KNOTS, 2)
    # Beyond 180 degrees in a map across the date line, so that they can be interpolated.
    for axis in (0, 1):
        lonlat[..., 0] = np.unwrap(lonlat[..., 0], period=360, axis=axis)
    steps = [np.abs(np.diff(lonlat[..., 0], axis=axis)).max() for axis in (0, 1)]
    return lonlat if max(steps) < _WIDEST_STEP else None


def _north(lonlat: NDArray[np.float64], aspect: float) -> float | None:
    """Return the direction of north in the middle, in degrees clockwise; None if it is up."""
    middle = _KNOTS // 2
    right = lonlat[middle, middle + 1] - lonlat[middle, middle - 1]
    down = (lonlat[middle + 1, middle] - lonlat[middle - 1, middle]) / aspect
    # The direction on the map in which latitude grows fastest, on the sphere.
    shrink = math.cos(math.radians(lonlat[middle, middle, 1]))
    right, down = right * (shrink, 1), down * (shrink, 1)
    if abs(right[0] * down[1] - right[1] * down[0]) < 1e-15:
        return None
    across, along = np.linalg.solve(np.stack([right, down], -1), np.array([0.0, 1.0]))
    angle = math.degrees(math.atan2(across, -along)) % 360
    is_up = min(angle, 360 - angle) < _NORTH_UP_DEGREES
    return None if is_up else round(angle, 1)


def check_same_grid(dataset: DatasetReader, reference: DatasetReader, what: str) -> None:
    """Check that the pixels of a raster are those of a map.

    Args:
        dataset: The open raster.
        reference: The open map.
        what: What the raster is: `scene` or `labels`.

    Raises:
        DataError: If size, transform or CRS differ.
    """
    grids = PixelGrid.of(dataset), PixelGrid.of(reference)
    seen = [f"{grid.height} x {grid.width} pixels" for grid in grids]
    if seen[0] == seen[1]:
        if grids[1].covers_same_area(grids[0], _TOLERANCE):
            return
        seen = [grid.extent for grid in grids]
    raise DataError(
        str(dataset.name),
        f"the {what} {'have' if what == 'labels' else 'has'} {seen[0]}, "
        f"the map {reference.name} has {seen[1]}",
        "Give files with the size, transform and CRS of the map.",
    )
