"""One virtual raster over the maps of a run, which GDAL opens as one map."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import rasterio

from terratorch.contracts.map_tags import MOSAIC_TAG
from terratorch.drawing.maps import color_table
from terratorch.errors import DataError
from terratorch.geo.grid import PixelGrid
from terratorch.geo.raster import open_raster
from terratorch.geo.types import Affine
from terratorch.geo.vrt import VrtBand, VrtSource, write_vrt
from terratorch.prediction.products.products import FinishedMap, FolderProduct

logger = logging.getLogger(__name__)

_TOLERANCE = 0.01  # pixels that the corners of maps may differ from those of their grid
_MAX_LISTED = 10  # maps of a message


@dataclass(frozen=True)
class _MosaicPart:
    """What the mosaic needs to know of a map; `bands` is text, as NaN is not equal to itself."""

    path: Path
    grid: PixelGrid
    block_shape: tuple[int, int]
    dtypes: tuple[str, ...]
    nodata: float | None
    bands: str


class Mosaic(FolderProduct):
    """A virtual raster over the maps of a run; one for each grid if there are several.

    Args:
        prefix: The beginning of the names of the files.
    """

    name: ClassVar[str] = "mosaic"

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix

    def make(self, maps: Sequence[FinishedMap], folder: Path, temporary: Path) -> Iterator[Path]:
        """Write the virtual rasters.

        Raises:
            DataError: If there are maps, but none is georeferenced.
        """
        parts = {finished.path: _read_part(finished.path) for finished in maps}
        placed = [part for part in parts.values() if part is not None]
        unplaced = [path for path, part in parts.items() if part is None]
        if unplaced and not placed:
            raise DataError(
                str(folder / f"{self.prefix}mosaic.vrt"),
                "it has no maps, as none of the images has a CRS and a transform",
                "Remove --mosaic.",
            )
        if unplaced:
            logger.warning(
                "Not in the mosaic, as they are not georeferenced: %s", _listed(unplaced)
            )
        groups = _groups(placed)
        names = self._names(groups)
        if len(groups) > 1:
            _warn_of_several(names, groups)
        for name, group in zip(names, groups, strict=True):
            _write(temporary / name, group)
            yield temporary / name

    def _names(self, groups: Sequence[Sequence[_MosaicPart]]) -> list[str]:
        """Return file names that differ by CRS, and are numbered within one."""
        if len(groups) == 1:
            return [f"{self.prefix}mosaic.vrt"]
        names: list[str] = []
        for first, *_ in groups:
            code = None if first.grid.crs is None else first.grid.crs.to_epsg()
            stem = f"{self.prefix}mosaic_{'other' if code is None else f'epsg{code}'}"
            count = sum(name == f"{stem}.vrt" or name.startswith(f"{stem}_") for name in names)
            names.append(f"{stem}_{count + 1}.vrt" if count else f"{stem}.vrt")
        return names


def _warn_of_several(names: Sequence[str], groups: Sequence[Sequence[_MosaicPart]]) -> None:
    lines = (
        f"  {name}: {_listed([part.path for part in group])}"
        for name, group in zip(names, groups, strict=True)
    )
    logger.warning(
        "The maps differ in CRS, resolution or grid: there is a mosaic of each.\n%s",
        "\n".join(lines),
    )


def _read_part(path: Path) -> _MosaicPart | None:
    """Return what a map contributes; None if it is not georeferenced."""
    with open_raster(path) as dataset:
        grid = PixelGrid.of(dataset)
        if not grid.is_georeferenced:
            return None
        bands = (dataset.dtypes, dataset.descriptions, dataset.nodata)
        values = (dataset.scales, dataset.offsets, color_table(dataset))
        block_shape = dataset.block_shapes[0]
        return _MosaicPart(
            path, grid, block_shape, dataset.dtypes, dataset.nodata, repr((bands, values))
        )


def _groups(parts: Sequence[_MosaicPart]) -> list[list[_MosaicPart]]:
    """Return the maps that share grid and bands, in their order."""
    groups: list[list[_MosaicPart]] = []
    for part in parts:
        for group in groups:
            offset = group[0].grid.offset_of(part.grid, _TOLERANCE)
            if offset is not None and group[0].bands == part.bands:
                group.append(part)
                break
        else:
            groups.append([part])
    return groups


def _write(path: Path, group: Sequence[_MosaicPart]) -> None:
    """Write the virtual raster of maps on one grid; the last is on top where they overlap."""
    first = group[0]
    offsets = [first.grid.offset_of(part.grid, _TOLERANCE) or (0, 0) for part in group]
    left, top = (min(axis) for axis in zip(*offsets, strict=True))
    ends = [
        (column + part.grid.width, row + part.grid.height)
        for (column, row), part in zip(offsets, group, strict=True)
    ]
    right, bottom = (max(axis) for axis in zip(*ends, strict=True))
    transform = first.grid.transform * Affine.translation(left, top)
    grid = PixelGrid(first.grid.crs, transform, bottom - top, right - left)
    bands = [
        VrtBand(
            dtype,
            first.nodata,
            [
                VrtSource(
                    part.path.name,
                    index,
                    (part.grid.height, part.grid.width),
                    offset=(column - left, row - top),
                    block_shape=part.block_shape,
                    is_opaque=False,
                )
                for part, (column, row) in zip(group, offsets, strict=True)
            ],
        )
        for index, dtype in enumerate(first.dtypes, start=1)
    ]
    write_vrt(path, grid, bands)
    _copy_metadata(first.path, path, {MOSAIC_TAG: str(len(group))})


def _copy_metadata(source: Path, path: Path, tags: Mapping[str, str]) -> None:
    """Give a mosaic the descriptions, scales, colours and class names of a map."""
    with open_raster(source) as first, rasterio.open(path, "r+") as mosaic:
        mosaic.descriptions, mosaic.scales = first.descriptions, first.scales
        mosaic.offsets = first.offsets
        colors = color_table(first)
        if colors:
            mosaic.write_colormap(1, colors)
        names = {key: text for key, text in first.tags().items() if key.lower()[:6] == "class_"}
        mosaic.update_tags(**names, **tags)


def _listed(paths: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in paths[:_MAX_LISTED])
    more = len(paths) - _MAX_LISTED
    return f"{names} and {more} more" if more > 0 else names
