"""One virtual raster over the maps of a run: a small text file that GDAL opens as one map.

It is written here, as rasterio has no builder of them; the format is that of
https://gdal.org/drivers/raster/vrt.html.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree as Xml

from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from terratorch.contracts.map_tags import MOSAIC_TAG
from terratorch.errors import DataError
from terratorch.geo.raster import open_raster
from terratorch.prediction.products.products import FinishedMap, FolderProduct

logger = logging.getLogger(__name__)

_GDAL_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float16": "Float16",
    "float32": "Float32",
    "float64": "Float64",
}
_APART = 0.01  # pixels that the corners of maps on one grid may lie beside it
_LISTED = 10  # maps of a message


@dataclass(frozen=True)
class _Band:
    description: str | None
    dtype: str
    nodata: str | None  # as text, in which not a number is equal to itself
    scale: float
    offset: float
    colors: dict[int, tuple[int, int, int, int]] | None


@dataclass(frozen=True)
class _Map:
    """What the mosaic needs to know of a map."""

    path: Path
    crs: Any
    transform: Affine
    height: int
    width: int
    block: tuple[int, int]
    tags: dict[str, str]
    bands: tuple[_Band, ...]

    def fits(self, other: _Map) -> bool:
        """Whether another lies on the same grid, and holds the same."""
        if (self.crs, self.bands) != (other.crs, other.bands):
            return False
        # Where both ends of the other lie, in pixels of this grid.
        ends = ((0, 0), (other.width, other.height))
        begin, end = (~self.transform * (other.transform * corner) for corner in ends)
        size = (end[0] - begin[0], end[1] - begin[1])
        same_size = _near(size[0], other.width) and _near(size[1], other.height)
        return same_size and all(_near(value, round(value)) for value in begin)

    def place(self, other: _Map) -> tuple[int, int]:
        """Return column and row of the corner of another on this grid."""
        column, row = ~self.transform * (other.transform.c, other.transform.f)
        return round(column), round(row)


def _near(value: float, other: float) -> bool:
    return abs(value - other) <= _APART


class Mosaic(FolderProduct):
    """A virtual raster over the maps of a run; one for each grid, where they lie on several.

    Args:
        prefix: What the names of files begin with.
    """

    name: ClassVar[str] = "mosaic"

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix

    def make(self, maps: Sequence[FinishedMap], folder: Path, temporary: Path) -> Iterator[Path]:
        """Write the virtual rasters.

        Raises:
            DataError: If there are maps, but none lies anywhere.
        """
        described = {finished.path: _described(finished.path) for finished in maps}
        placed = [one for one in described.values() if one is not None]
        nowhere = [path for path, one in described.items() if one is None]
        if nowhere and not placed:
            raise DataError(
                str(folder / f"{self.prefix}mosaic.vrt"),
                "it has no maps, as none of the images has a CRS and a transform",
                "Leave out --mosaic.",
            )
        if nowhere:
            logger.warning("Not in the mosaic, as they lie nowhere: %s", _listed(nowhere))
        grids = _grids(placed)
        names = self._names(grids)
        if len(grids) > 1:
            _say_apart(names, grids)
        for name, grid in zip(names, grids, strict=True):
            path = temporary / name
            tree = Xml.ElementTree(_dataset(grid))
            Xml.indent(tree)
            tree.write(path, encoding="utf-8")
            yield path

    def _names(self, grids: Sequence[Sequence[_Map]]) -> list[str]:
        """Return names that tell CRS apart, and then grids of one."""
        if len(grids) == 1:
            return [f"{self.prefix}mosaic.vrt"]
        names: list[str] = []
        for first, *_ in grids:
            code = first.crs.to_epsg()
            stem = f"{self.prefix}mosaic_{'other' if code is None else f'epsg{code}'}"
            count = sum(name == f"{stem}.vrt" or name.startswith(f"{stem}_") for name in names)
            names.append(f"{stem}_{count + 1}.vrt" if count else f"{stem}.vrt")
        return names


def _say_apart(names: Sequence[str], grids: Sequence[Sequence[_Map]]) -> None:
    lines = (
        f"  {name}: {_listed([one.path for one in grid])}"
        for name, grid in zip(names, grids, strict=True)
    )
    logger.warning(
        "The maps differ in CRS, resolution or grid: there is a mosaic of each.\n%s",
        "\n".join(lines),
    )


def _described(path: Path) -> _Map | None:
    """Return what a map is; None where it lies nowhere."""
    with open_raster(path) as dataset:
        if dataset.crs is None or dataset.transform.is_identity:
            return None
        bands = tuple(
            _Band(
                description=dataset.descriptions[index],
                dtype=dataset.dtypes[index],
                nodata=None if dataset.nodata is None else f"{dataset.nodata:.17g}",
                scale=dataset.scales[index],
                offset=dataset.offsets[index],
                colors=_colors(dataset, index + 1),
            )
            for index in range(dataset.count)
        )
        return _Map(
            path=path,
            crs=dataset.crs,
            transform=dataset.transform,
            height=dataset.height,
            width=dataset.width,
            block=dataset.block_shapes[0],
            tags={
                key: value
                for key, value in dataset.tags().items()
                if key.lower().startswith("class_")
            },
            bands=bands,
        )


def _colors(dataset: Any, band: int) -> dict[int, tuple[int, int, int, int]] | None:
    if dataset.colorinterp[band - 1] is not ColorInterp.palette:
        return None
    colors: dict[int, tuple[int, int, int, int]] = dataset.colormap(band)
    return colors


def _grids(maps: Sequence[_Map]) -> list[list[_Map]]:
    """Return the maps of each grid, in their order."""
    grids: list[list[_Map]] = []
    for one in maps:
        grid = next((grid for grid in grids if grid[0].fits(one)), None)
        if grid is None:
            grids.append([one])
        else:
            grid.append(one)
    return grids


def _dataset(grid: Sequence[_Map]) -> Xml.Element:
    """Return the virtual raster of maps on one grid; where they overlap, the last is on top."""
    first = grid[0]
    places = [first.place(one) for one in grid]
    left, top = (min(axis) for axis in zip(*places, strict=True))
    right = max(column + one.width for (column, _), one in zip(places, grid, strict=True))
    bottom = max(row + one.height for (_, row), one in zip(places, grid, strict=True))
    size = {"rasterXSize": str(right - left), "rasterYSize": str(bottom - top)}
    dataset = Xml.Element("VRTDataset", size)
    _add(dataset, "SRS", first.crs.to_wkt())
    transform = first.transform * Affine.translation(left, top)
    _add(dataset, "GeoTransform", ", ".join(f"{value:.17g}" for value in transform.to_gdal()))
    metadata = _add(dataset, "Metadata")
    for key, value in {**first.tags, MOSAIC_TAG: str(len(grid))}.items():
        _add(metadata, "MDI", value, key=key)
    for index, band in enumerate(first.bands, start=1):
        element = _add_band(dataset, index, band)
        for one, (column, row) in zip(grid, places, strict=True):
            _add_source(element, index, band, one, (column - left, row - top))
    return dataset


def _add_band(dataset: Xml.Element, index: int, band: _Band) -> Xml.Element:
    kind = _GDAL_TYPES[band.dtype]
    element = _add(dataset, "VRTRasterBand", dataType=kind, band=str(index))
    if band.description:
        _add(element, "Description", band.description)
    if band.nodata is not None:
        _add(element, "NoDataValue", band.nodata)
    if (band.scale, band.offset) != (1.0, 0.0):
        _add(element, "Offset", f"{band.offset:.17g}")
        _add(element, "Scale", f"{band.scale:.17g}")
    if band.colors is not None:
        _add(element, "ColorInterp", "Palette")
        table = _add(element, "ColorTable")
        for value in range(max(band.colors) + 1):
            color = band.colors.get(value, (0, 0, 0, 0))
            parts = {f"c{part}": str(level) for part, level in enumerate(color, start=1)}
            _add(table, "Entry", **parts)
    return element


def _add_source(
    element: Xml.Element, index: int, band: _Band, one: _Map, place: tuple[int, int]
) -> None:
    # A complex source leaves out nodata, so that it does not cover what lies beneath.
    source = _add(element, "ComplexSource" if band.nodata is not None else "SimpleSource")
    _add(source, "SourceFilename", one.path.name, relativeToVRT="1")
    _add(source, "SourceBand", str(index))
    size = {"xSize": str(one.width), "ySize": str(one.height)}
    rows, columns = one.block
    _add(
        source,
        "SourceProperties",  # GDAL need not open the map before it reads from it
        RasterXSize=size["xSize"],
        RasterYSize=size["ySize"],
        DataType=_GDAL_TYPES[band.dtype],
        BlockXSize=str(columns),
        BlockYSize=str(rows),
    )
    _add(source, "SrcRect", xOff="0", yOff="0", **size)
    _add(source, "DstRect", xOff=str(place[0]), yOff=str(place[1]), **size)
    if band.nodata is not None:
        _add(source, "NODATA", band.nodata)


def _add(parent: Xml.Element, tag: str, text: str | None = None, **attributes: str) -> Xml.Element:
    element = Xml.SubElement(parent, tag, attributes)
    element.text = text
    return element


def _listed(paths: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in paths[:_LISTED])
    more = len(paths) - _LISTED
    return f"{names} and {more} more" if more > 0 else names
