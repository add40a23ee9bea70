"""Types of rasterio and numpy, for signatures."""

from __future__ import annotations

from typing import Any, TypeAlias

from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.transform import Affine

__all__ = ["CRS", "Affine", "Array", "Bounds", "DatasetReader", "DatasetWriter"]

Array: TypeAlias = NDArray[Any]
"""Pixels or coordinates of any dtype."""

Bounds: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right and top; west, south, east and north in degrees.

In degrees, west is larger than east across the antimeridian.
"""
