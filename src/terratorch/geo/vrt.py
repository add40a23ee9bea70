"""Virtual rasters: small XML files that GDAL opens as one raster made of others.

rasterio has no builder of them; the format is that of https://gdal.org/drivers/raster/vrt.html.
Only the pixels are described here: rasterio adds descriptions, tags and colours like to any raster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as Xml

from terratorch.geo.grid import PixelGrid

# GDAL's names of the dtypes of numpy that a virtual raster can have: real numbers.
GDAL_TYPES = {
    **{"uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16"},
    **{"uint32": "UInt32", "int32": "Int32"},
    **{"float16": "Float16", "float32": "Float32", "float64": "Float64"},
}


@dataclass(frozen=True)
class VrtSource:
    """The whole of a band of a file, and its position in the virtual raster.

    Attributes:
        name: The file, relative to the virtual raster or absolute.
        band: Which band of the file, counted from 1.
        shape: Rows and columns of the file.
        offset: Column and row of its upper left corner.
        size: Rows and columns that it fills, by repeating pixels; by default its shape.
        block_shape: Rows and columns of its blocks; with it GDAL opens the file only to read it.
        is_opaque: Whether its nodata covers what is below.
    """

    name: str
    band: int
    shape: tuple[int, int]
    offset: tuple[int, int] = (0, 0)
    size: tuple[int, int] | None = None
    block_shape: tuple[int, int] | None = None
    is_opaque: bool = True


@dataclass(frozen=True)
class VrtBand:
    """A band of a virtual raster: its dtype, its nodata and its sources, from the bottom up."""

    dtype: str
    nodata: float | None
    sources: Sequence[VrtSource]


def write_vrt(
    path: Path, grid: PixelGrid, bands: Sequence[VrtBand], block_height: int | None = None
) -> None:
    """Write a virtual raster.

    Args:
        path: The file.
        grid: Where its pixels are.
        bands: Its content.
        block_height: Rows that are read together, by default GDAL's.
    """
    root = Xml.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    if grid.crs is not None:
        _add(root, "SRS", grid.crs.to_wkt())
    _add(root, "GeoTransform", ", ".join(f"{value:.17g}" for value in grid.transform.to_gdal()))
    if block_height is not None:
        _add(root, "BlockYSize", block_height)
    for number, band in enumerate(bands, start=1):
        element = _add(root, "VRTRasterBand", dataType=GDAL_TYPES[band.dtype], band=number)
        if band.nodata is not None:
            _add(element, "NoDataValue", f"{band.nodata:.17g}")
        for source in band.sources:
            _add_source(element, source, band)
    Xml.ElementTree(root).write(path, encoding="utf-8")


def _add_source(parent: Xml.Element, source: VrtSource, band: VrtBand) -> None:
    is_simple = source.is_opaque or band.nodata is None
    element = _add(parent, "SimpleSource" if is_simple else "ComplexSource", resampling="nearest")
    is_relative = not Path(source.name).is_absolute() and "://" not in source.name
    _add(element, "SourceFilename", source.name, relativeToVRT=int(is_relative))
    _add(element, "SourceBand", source.band)
    height, width = source.shape
    if source.block_shape is not None:
        rows, columns = source.block_shape
        size = {"RasterXSize": width, "RasterYSize": height}
        block = {"BlockXSize": columns, "BlockYSize": rows}
        _add(element, "SourceProperties", DataType=GDAL_TYPES[band.dtype], **size, **block)
    _add(element, "SrcRect", xOff=0, yOff=0, xSize=width, ySize=height)
    rows, columns = source.size or source.shape
    left, top = source.offset
    _add(element, "DstRect", xOff=left, yOff=top, xSize=columns, ySize=rows)
    if not is_simple:
        _add(element, "NODATA", f"{band.nodata:.17g}")


def _add(
    parent: Xml.Element, tag: str, text: str | int | None = None, **attributes: str | int
) -> Xml.Element:
    values = {name: str(value) for name, value in attributes.items()}
    element = Xml.SubElement(parent, tag, values)
    element.text = None if text is None else str(text)
    return element
