"""Virtual rasters: small XML files that GDAL opens as one raster of parts of others.

Neither rasterio nor GDAL's Python wheels for it build them, so that the XML is written here; the
format is that of https://gdal.org/drivers/raster/vrt.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as Xml

from terratorch.geo.grid import PixelGrid

# GDAL's names of the dtypes of numpy that a virtual raster can have: real numbers.
GDAL_TYPES = {
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

ColorTable = Mapping[int, tuple[int, int, int, int]]


@dataclass(frozen=True)
class VrtSource:
    """The whole of a band of a file, and its position in the virtual raster.

    Attributes:
        name: The file, relative to the virtual raster or absolute.
        band: Which band of the file, counted from 1.
        shape: Rows and columns of the file.
        offset: Column and row of its upper left corner.
        size: Rows and columns that it fills; by default as many as it has. Pixels are repeated.
        block_shape: Rows and columns of its blocks; with it GDAL opens the file only to read it.
        nodata: Pixels of this value do not cover those of sources before.
    """

    name: str
    band: int
    shape: tuple[int, int]
    offset: tuple[int, int] = (0, 0)
    size: tuple[int, int] | None = None
    block_shape: tuple[int, int] | None = None
    nodata: float | None = None


@dataclass(frozen=True)
class VrtBand:
    """A band of a virtual raster.

    Attributes:
        dtype: Of its values.
        sources: What it consists of; later ones cover earlier ones.
        description: Its name.
        nodata: The value for no data.
        scale: With the offset, from stored to true values.
        offset: See `scale`.
        colors: Its colour table.
        tags: Its metadata.
    """

    dtype: str
    sources: Sequence[VrtSource] = ()
    description: str | None = None
    nodata: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    colors: ColorTable | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def write_vrt(
    path: Path,
    grid: PixelGrid,
    bands: Sequence[VrtBand],
    tags: Mapping[str, str],
    block_height: int | None = None,
) -> None:
    """Write a virtual raster.

    Args:
        path: The file.
        grid: Where its pixels are.
        bands: What it consists of.
        tags: Written to its metadata.
        block_height: Rows that are read together, by default GDAL's.
    """
    root = Xml.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    _add_tags(root, tags)
    if grid.crs is not None:
        _add(root, "SRS", grid.crs.to_wkt())
    _add(root, "GeoTransform", ", ".join(map(_text, grid.transform.to_gdal())))
    if block_height is not None:
        _add(root, "BlockYSize", str(block_height))
    for number, band in enumerate(bands, start=1):
        _add_band(root, number, band)
    Xml.indent(root)
    Xml.ElementTree(root).write(path, encoding="utf-8")


def _add_band(root: Xml.Element, number: int, band: VrtBand) -> None:
    dtype = GDAL_TYPES[band.dtype]
    element = _add(root, "VRTRasterBand", dataType=dtype, band=number)
    _add_tags(element, band.tags)
    if band.description:
        _add(element, "Description", band.description)
    if band.nodata is not None:
        _add(element, "NoDataValue", _text(band.nodata))
    if (band.scale, band.offset) != (1.0, 0.0):
        _add(element, "Offset", _text(band.offset))
        _add(element, "Scale", _text(band.scale))
    if band.colors is not None:
        _add(element, "ColorInterp", "Palette")
        table = _add(element, "ColorTable")
        for value in range(max(band.colors) + 1):
            red, green, blue, alpha = band.colors.get(value, (0, 0, 0, 0))
            _add(table, "Entry", c1=red, c2=green, c3=blue, c4=alpha)
    for source in band.sources:
        _add_source(element, source, dtype)


def _add_source(band: Xml.Element, source: VrtSource, dtype: str) -> None:
    # Only complex sources skip nodata.
    kind = "SimpleSource" if source.nodata is None else "ComplexSource"
    element = _add(band, kind, resampling="nearest")
    is_relative = not Path(source.name).is_absolute() and "://" not in source.name
    _add(element, "SourceFilename", source.name, relativeToVRT=int(is_relative))
    _add(element, "SourceBand", str(source.band))
    height, width = source.shape
    if source.block_shape is not None:
        rows, columns = source.block_shape
        _add(
            element,
            "SourceProperties",
            RasterXSize=width,
            RasterYSize=height,
            DataType=dtype,
            BlockXSize=columns,
            BlockYSize=rows,
        )
    _add(element, "SrcRect", xOff=0, yOff=0, xSize=width, ySize=height)
    rows, columns = source.size or source.shape
    left, top = source.offset
    _add(element, "DstRect", xOff=left, yOff=top, xSize=columns, ySize=rows)
    if source.nodata is not None:
        _add(element, "NODATA", _text(source.nodata))


def _add_tags(parent: Xml.Element, tags: Mapping[str, str]) -> None:
    if tags:
        metadata = _add(parent, "Metadata")
        for key, value in tags.items():
            _add(metadata, "MDI", value, key=key)


def _add(
    parent: Xml.Element, tag: str, text: str | None = None, **attributes: str | int
) -> Xml.Element:
    values = {name: str(value) for name, value in attributes.items()}
    element = Xml.SubElement(parent, tag, values)
    element.text = text
    return element


def _text(number: float) -> str:
    return f"{number:.17g}"
