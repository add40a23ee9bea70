"""Bands of several files as one raster: a VRT of GDAL, so that whatever reads one file reads them.

Files of several resolutions are brought to the finest by repeating pixels: values stay unchanged,
and do not depend on where a window begins.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC

from terratorch.contracts.band_names import band_in
from terratorch.errors import DataError
from terratorch.geo.grid import PixelGrid
from terratorch.geo.raster import JOINED_TAG, georeferenced_or_not, has_mask, open_raster
from terratorch.geo.remote import is_virtual
from terratorch.geo.types import CRS
from terratorch.geo.vrt import GDAL_TYPES, VrtBand, VrtSource, write_vrt

# The tag of a band that names the input of the model that it belongs to.
MODALITY_TAG = "TERRATORCH_MODALITY"

_TOLERANCE = 0.5  # of the coarser pixel, that the corners of two files may differ by

# Row, column, x, y and z of each point, and the CRS of these.
_GroundPoints = tuple[tuple[tuple[float, ...], ...], CRS | None]


@dataclass(frozen=True)
class FileBand:
    """A band of a file.

    Attributes:
        path: The file.
        index: Which band, counted from 1.
        band: Its name, None if unknown.
        grid: Where its pixels are.
        block_height: Rows that the file stores together.
        dtype: Of its values.
        nodata: The value for no data.
        ground: Ground control points.
        rpcs: Rational polynomial coefficients, None without any.
    """

    path: Path
    index: int
    band: str | None
    grid: PixelGrid
    block_height: int
    dtype: str
    nodata: float | None
    ground: _GroundPoints = ((), None)
    rpcs: RPC | None = None

    @property
    def needs_warping(self) -> bool:
        """Whether it is georeferenced by points or coefficients and not by a transform."""
        return bool(self.ground[0]) or self.rpcs is not None

    @property
    def pixel(self) -> float:
        """Width of a pixel in units of the map."""
        return self.grid.pixel_width


@dataclass(frozen=True)
class JoinedBand:
    """A band of the joined raster.

    Attributes:
        source: The band of a file; None if the model does not use it.
        modality: Which input of the model it belongs to; None if there is only one.
    """

    source: FileBand | None
    modality: str | None = None


def file_bands(
    path: Path, band: str | None = None, extra_names: Iterable[str] = ()
) -> Iterator[FileBand]:
    """Yield the bands of a file.

    Args:
        path: The file.
        band: The band that the file's name states; None reads the descriptions of its bands.
        extra_names: Names of bands in addition to the standard ones.

    Raises:
        DataError: If it is not an image, has a mask, or has several bands although its name states
            one.
    """
    with open_raster(path) as dataset:
        if band is not None and dataset.count > 1:
            raise DataError(
                str(path),
                f"{dataset.count} bands, but its name states {band}",
                "Give a file for each band, or a name without a band.",
            )
        if has_mask(dataset, dataset.indexes):
            raise DataError(
                str(path),
                "a mask, which is not read where files are joined",
                "Mark the pixels by a nodata value.",
            )
        points = tuple(
            (point.row, point.col, point.x, point.y, point.z) for point in dataset.gcps[0]
        )
        for position, index in enumerate(dataset.indexes):
            yield FileBand(
                path=path,
                index=index,
                band=band or band_in(dataset.descriptions[position] or "", extra_names),
                grid=PixelGrid.of(dataset),
                block_height=dataset.block_shapes[position][0],
                dtype=dataset.dtypes[position],
                nodata=dataset.nodatavals[position],
                ground=(points, dataset.gcps[1]),
                rpcs=dataset.rpcs,
            )


def write_joined(path: Path, scene: Path, bands: Sequence[JoinedBand]) -> None:
    """Write a virtual raster, with the modification time of the newest of its files.

    Args:
        path: The virtual raster.
        scene: What it consists of, for messages.
        bands: Its bands.

    Raises:
        DataError: If the files cover different areas, or hold complex numbers.
    """
    sources = [band.source for band in bands if band.source is not None]
    finest = min(sources, key=lambda source: source.pixel)
    for source in sources:
        _check_area(source, finest)
    dtype = str(np.result_type(*{source.dtype for source in sources}))
    if dtype not in GDAL_TYPES:
        raise DataError(str(scene), f"its values are {dtype}", "Give real numbers.")
    vrt_bands = [_vrt_band(band.source, finest.grid, dtype) for band in bands]
    write_vrt(path, finest.grid, vrt_bands, max(source.block_height for source in sources))
    points, crs = finest.ground
    with georeferenced_or_not(), rasterio.open(path, "r+") as dataset:
        dataset.update_tags(**{JOINED_TAG: str(scene)})
        for index, band in enumerate(bands, start=1):
            if band.modality is not None:
                dataset.update_tags(index, **{MODALITY_TAG: band.modality})
            if band.source is not None and band.source.band is not None:
                dataset.set_band_description(index, band.source.band)
        if points:
            dataset.gcps = ([GroundControlPoint(*point) for point in points], crs)
        if finest.rpcs is not None:
            dataset.rpcs = finest.rpcs
    # Maps of an earlier run are compared with it, and its files have not changed since.
    times = [source.path.stat().st_mtime_ns for source in sources if not is_virtual(source.path)]
    if times:
        os.utime(path, ns=(max(times), max(times)))


def _vrt_band(source: FileBand | None, grid: PixelGrid, dtype: str) -> VrtBand:
    if source is None:
        return VrtBand(dtype, None, ())
    name = str(source.path if is_virtual(source.path) else source.path.absolute())
    shape, size = (source.grid.height, source.grid.width), (grid.height, grid.width)
    return VrtBand(dtype, source.nodata, [VrtSource(name, source.index, shape, size=size)])


def _check_area(source: FileBand, finest: FileBand) -> None:
    """Refuse a file that covers another area than the finest one."""
    if source.needs_warping or finest.needs_warping:
        shapes = [(band.grid.height, band.grid.width) for band in (source, finest)]
        if (source.ground, source.rpcs, shapes[0]) != (finest.ground, finest.rpcs, shapes[1]):
            raise DataError(
                str(source.path),
                f"ground control points or coefficients other than those of {finest.path}",
                "Bring the files of a scene onto one grid, such as with gdalwarp.",
            )
        return
    if not source.grid.covers_same_area(finest.grid, _TOLERANCE):
        raise DataError(
            str(source.path),
            f"covers another area than {finest.path}: {source.grid.extent}, "
            f"and not {finest.grid.extent}",
            "The files of a scene have to cover the same area in one CRS.",
        )
