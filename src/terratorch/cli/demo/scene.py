"""The Sentinel-2 scene: ten bands of three resolutions become one raster at 10 m."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling

from terratorch.errors import MissingFileError
from terratorch.geo.held_file import replacing

# Sentinel-2 band -> name; the order is that of the raster and of the YAML.
BANDS = {
    "B02": "BLUE",
    "B03": "GREEN",
    "B04": "RED",
    "B05": "RED_EDGE_1",
    "B06": "RED_EDGE_2",
    "B07": "RED_EDGE_3",
    "B08": "NIR_BROAD",
    "B8A": "NIR_NARROW",
    "B11": "SWIR_1",
    "B12": "SWIR_2",
}
GRID_BAND = "B02"
"""The 10 m band whose grid all others are brought to."""


@dataclass(frozen=True)
class Grid:
    """Where a raster lies.

    Attributes:
        crs: Coordinate reference system.
        transform: From pixel to map coordinates.
        shape: Rows and columns.
    """

    crs: CRS
    transform: Affine
    shape: tuple[int, int]

    def window(self, row: int, col: int, size: int) -> Grid:
        """Return the grid of a square window."""
        a, b, c, d, e, f = self.transform[:6]
        # Written out: affine 2 multiplies with `*`, affine 3 with `@`.
        moved = Affine(a, b, c + a * col + b * row, d, e, f + d * col + e * row)
        return Grid(self.crs, moved, (size, size))


@dataclass(frozen=True)
class Scene:
    """A scene in memory: `pixels` is `(bands, rows, cols)`, reflectance x 10000."""

    pixels: NDArray[np.uint16]
    grid: Grid


def read_scene(files: Mapping[str, Path]) -> Scene:
    """Read the bands from JPEG 2000 files, bilinear to 10 m where they are coarser.

    The grids nest: all bands share the upper left corner, and 20 m pixels hold 2 x 2 of 10 m.

    Args:
        files: Files by name; a band is the file whose stem ends in `_B02`, `_B8A`, ...
    """
    paths = {band: _file_of(band, files) for band in BANDS}
    with rasterio.open(paths[GRID_BAND]) as source:
        grid = Grid(source.crs, source.transform, source.shape)
    return Scene(np.stack([_read_band(path, grid) for path in paths.values()]), grid)


def write_geotiff(
    path: Path,
    pixels: NDArray[np.generic],
    grid: Grid,
    descriptions: tuple[str, ...] = (),
    nodata: int | None = None,
) -> None:
    """Write `(bands, rows, cols)` as a compressed GeoTIFF that appears when it is complete."""
    bands, height, width = pixels.shape
    profile = {
        "driver": "GTiff",
        "count": bands,
        "height": height,
        "width": width,
        "dtype": pixels.dtype,
        "crs": grid.crs,
        "transform": grid.transform,
        "nodata": nodata,
        "compress": "deflate",
        "tiled": min(height, width) >= 256,
    }
    with replacing(path) as partial, rasterio.open(partial, "w", **profile) as target:
        target.write(pixels)
        if descriptions:
            target.descriptions = descriptions


def _file_of(band: str, files: Mapping[str, Path]) -> Path:
    for name, path in files.items():
        if Path(name).stem.endswith(f"_{band}"):
            return path
    raise MissingFileError(f"Band {band} of the sample", f"no file among {', '.join(files)}")


def _read_band(path: Path, grid: Grid) -> NDArray[np.uint16]:
    with rasterio.open(path) as source:
        return source.read(1, out_shape=grid.shape, resampling=Resampling.bilinear)
