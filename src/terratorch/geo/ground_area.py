"""Areas on the ground of polygons that are given in pixels of a raster."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.warp import transform

from terratorch.geo.extent import lon_lat_points
from terratorch.geo.grid import PixelGrid, affine_points
from terratorch.geo.types import CRS, Array

# Lambert's cylindrical equal-area projection: meridians and parallels are straight in it, so that
# areas between them are exact on the ellipsoid. It is centred on the map: none is cut at 180.
_EQUAL_AREA = "+proj=cea +lat_ts=30 +lon_0={longitude:.10g} +datum=WGS84"
_TOLERANCE = 0.01  # by which a projected CRS may distort areas and still be used to measure them


class GroundArea:
    """Measures polygons on a grid.

    Args:
        grid: The pixels that polygons are given in.
    """

    def __init__(self, grid: PixelGrid) -> None:
        self.grid = grid

    def of(self, polygons: NDArray[np.object_]) -> NDArray[np.float64]:
        """Return the areas of polygons in pixels: in m2, or square units without a CRS."""
        if self._is_planar:
            planar: NDArray[np.float64] = shapely.area(polygons)
            return planar * abs(self.grid.transform.determinant)
        return self._on_ground(polygons)

    @cached_property
    def pixel_side(self) -> float:
        """Side of a square as large as the pixel in the middle, in metres or units."""
        left, top = self.grid.width // 2, self.grid.height // 2
        pixel = np.array([shapely.box(left, top, left + 1, top + 1)])
        return float(np.sqrt(self.of(pixel)[0]))

    @cached_property
    def _is_planar(self) -> bool:
        """Whether areas in the plane are used: they are those on the ground all over the map."""
        grid = self.grid
        if grid.crs is None:
            return True
        if grid.crs.is_geographic:
            return False
        columns, rows = (np.linspace(0, size - 1, 3) for size in (grid.width, grid.height))
        left, top = (axis.ravel() for axis in np.meshgrid(columns, rows))
        ground = self._on_ground(shapely.box(left, top, left + 1, top + 1))
        ratios = ground / abs(grid.transform.determinant)
        return bool(np.all(np.abs(ratios - 1) <= _TOLERANCE))

    def _on_ground(self, polygons: NDArray[np.object_]) -> NDArray[np.float64]:
        areas: NDArray[np.float64] = shapely.area(shapely.transform(polygons, self._project))
        return areas

    def _project(self, corners: Array) -> Array:
        x, y = affine_points(self.grid.transform, corners).T
        return np.column_stack(transform(self.grid.crs, self._equal_area, x, y)[:2])

    @cached_property
    def _equal_area(self) -> CRS:
        x, y = self.grid.transform * (self.grid.width / 2, self.grid.height / 2)
        middle = lon_lat_points(self.grid.crs, np.array(x), np.array(y))
        longitude = 0.0 if middle is None else float(middle[0])
        return CRS.from_string(_EQUAL_AREA.format(longitude=longitude))
