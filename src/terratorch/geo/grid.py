"""Where the pixels of a raster are, and whether those of two rasters coincide."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terratorch.geo.types import CRS, Affine, Array, DatasetReader


def affine_points(transform: Affine, points: Array) -> NDArray[np.float64]:
    """Return points `(n, 2)` under an affine transformation."""
    return np.column_stack(transform * (points[:, 0], points[:, 1]))


@dataclass(frozen=True)
class PixelGrid:
    """The pixels of a raster on the map.

    Attributes:
        crs: The coordinate reference system, None if unknown.
        transform: From pixels to coordinates; the identity if unknown.
        height: Rows.
        width: Columns.
    """

    crs: CRS | None
    transform: Affine
    height: int
    width: int

    @classmethod
    def of(cls, dataset: DatasetReader) -> PixelGrid:
        """Read the grid of an open raster."""
        return cls(dataset.crs, dataset.transform, dataset.height, dataset.width)

    @property
    def is_georeferenced(self) -> bool:
        """Whether CRS and transform are known."""
        return self.crs is not None and not self.transform.is_identity

    @property
    def pixel_width(self) -> float:
        """Width of a pixel in units of the map."""
        return math.hypot(self.transform.a, self.transform.d)

    @property
    def extent(self) -> str:
        """Its corners and CRS, as messages name them."""
        left, top = self.transform * (0, 0)
        right, bottom = self.transform * (self.width, self.height)
        crs = "no CRS" if self.crs is None else self.crs
        return f"{left:.10g},{bottom:.10g} to {right:.10g},{top:.10g} in {crs}"

    def placed(self, geometries: NDArray[np.object_]) -> NDArray[np.object_]:
        """Return shapely geometries in coordinates of the map from those in pixels."""
        import shapely  # slow to import, and training does without

        moved: NDArray[np.object_] = shapely.transform(
            geometries, lambda points: affine_points(self.transform, points)
        )
        return moved

    def covers_same_area(self, other: PixelGrid, tolerance: float) -> bool:
        """Return whether another grid has this CRS and these corners, at any resolution.

        Args:
            other: The other grid.
            tolerance: Pixels of this grid that corners may differ by.
        """
        distances = np.abs(self._corners_of(other) - self._corners_of(self))
        return self.crs == other.crs and bool(distances.max() <= tolerance)

    def offset_of(self, other: PixelGrid, tolerance: float) -> tuple[int, int] | None:
        """Return the column and row at which another grid begins on this one.

        Args:
            other: The other grid.
            tolerance: Pixels that its corners may differ from those of pixels of this grid.

        Returns:
            None if it has another CRS, or its pixels are not those of this grid, continued.
        """
        corners = self._corners_of(other)
        expected = np.rint(corners[0]) + np.array([(0, 0), (other.width, 0), (0, other.height)])
        if self.crs != other.crs or np.abs(corners - expected).max() > tolerance:
            return None
        column, row = np.rint(corners[0]).astype(int).tolist()
        return column, row

    def _corners_of(self, other: PixelGrid) -> NDArray[np.float64]:
        """Return the upper left, upper right and lower left corner of another grid, in pixels."""
        corners = ((0, 0), (other.width, 0), (0, other.height))
        to_pixels = ~self.transform
        return np.array([to_pixels * (other.transform * corner) for corner in corners])
