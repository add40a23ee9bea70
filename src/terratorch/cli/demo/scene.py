"""The Sentinel-2 scene: ten bands of three resolutions become one raster at 10 m."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling

from terratorch.errors import MissingFileError
from terratorch.geo.partial_file import replacing

# Sentinel-2 band -> name, in the order of the raster and of the YAML.
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
"""The 10 m band whose grid all others are resampled to."""


@dataclass(frozen=True)
class DemoScene:
    """A scene in memory.

    Attributes:
        pixels: `(bands, rows, cols)`, reflectance x 10000.
        crs: The coordinate reference system.
        transform: From pixel to map coordinates.
    """

    pixels: NDArray[np.uint16]
    crs: CRS
    transform: Affine

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.pixels.shape[1], self.pixels.shape[2]


def read_scene(files: Mapping[str, Path]) -> DemoScene:
    """Read the bands from JPEG 2000 files, and resample coarser ones to 10 m (bilinear).

    The grids are nested: all bands share the upper left corner, and a 20 m pixel covers 2 x 2 of
    10 m.

    Args:
        files: Files by name; a band is the file whose stem ends in `_B02`, `_B8A`, ...
    """
    paths = {band: _path_of(band, files) for band in BANDS}
    with rasterio.open(paths[GRID_BAND]) as source:
        crs, transform, shape = source.crs, source.transform, source.shape
    return DemoScene(np.stack([_read_band(path, shape) for path in paths.values()]), crs, transform)


def write_geotiff(
    path: Path,
    pixels: NDArray[np.generic],
    crs: CRS,
    transform: Affine,
    descriptions: Sequence[str] = (),
    nodata: int | None = None,
) -> None:
    """Write `(bands, rows, cols)` as a compressed GeoTIFF, under its final name when complete."""
    bands, height, width = pixels.shape
    profile = {"count": bands, "height": height, "width": width, "dtype": pixels.dtype}
    profile |= {"crs": crs, "transform": transform, "nodata": nodata}
    profile |= {"compress": "deflate", "tiled": min(height, width) >= 256}
    with replacing(path) as partial, rasterio.open(partial, "w", "GTiff", **profile) as target:
        target.write(pixels)
        if descriptions:
            target.descriptions = descriptions


def _path_of(band: str, files: Mapping[str, Path]) -> Path:
    for name, path in files.items():
        if Path(name).stem.endswith(f"_{band}"):
            return path
    raise MissingFileError(f"Band {band} of the sample", f"no file among {', '.join(files)}")


def _read_band(path: Path, shape: tuple[int, int]) -> NDArray[np.uint16]:
    with rasterio.open(path) as source:
        return source.read(1, out_shape=shape, resampling=Resampling.bilinear)
