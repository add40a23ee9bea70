"""Bands of several files as one raster: a VRT of GDAL, so that whatever reads one file reads them.

Files of several resolutions are brought to the finest by repeating pixels: values stay as they are,
and the same wherever a window begins.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import rasterio
from rasterio.control import GroundControlPoint

from terratorch.contracts.band_names import band_in
from terratorch.errors import DataError
from terratorch.geo.raster import JOINED_TAG, georeferenced_or_not, has_mask, open_raster
from terratorch.geo.remote import is_virtual

# The tag of a band that says which of the inputs of a model it belongs to.
MODALITY_TAG = "TERRATORCH_MODALITY"

_APART = 0.5  # of the coarser pixel that the corners of two files may lie apart
_GDAL_TYPES = {
    **{"uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16"},
    **{"uint32": "UInt32", "int32": "Int32", "float32": "Float32", "float64": "Float64"},
}


@dataclass(frozen=True)
class Layer:
    """A band of a file.

    Attributes:
        path: The file.
        index: Which band, counted from 1.
        band: Its name, None where it says none.
        shape: Rows and columns.
        block_height: Rows that the file stores together.
        dtype: Of its values.
        nodata: What stands for no data.
        crs: The coordinate reference system.
        transform: From pixels to coordinates.
        ground: Ground control points, as row, column, x, y and z, and their CRS.
        rpcs: Rational polynomial coefficients, None where there are none.
    """

    path: Path
    index: int
    band: str | None
    shape: tuple[int, int]
    block_height: int
    dtype: str
    nodata: float | None
    crs: Any
    transform: Any
    ground: tuple[tuple[tuple[float, ...], ...], Any] = ((), None)
    rpcs: Any = None

    @property
    def needs_warping(self) -> bool:
        """Whether it lies where no transform tells."""
        return bool(self.ground[0]) or self.rpcs is not None

    @property
    def pixel(self) -> float:
        """Width of a pixel in units of the map."""
        return math.hypot(self.transform.a, self.transform.d)


@dataclass(frozen=True)
class Place:
    """A band of the raster.

    Attributes:
        layer: What it holds; None where nobody reads it.
        modality: Which input of the model it belongs to; None where there is but one.
    """

    layer: Layer | None
    modality: str | None = None


def layers_of(path: Path, band: str | None = None, own: Iterable[str] = ()) -> Iterator[Layer]:
    """Yield the bands of a file.

    Args:
        path: The file.
        band: What its name says; None takes the descriptions of its bands.
        own: Names of bands that are in no table.

    Raises:
        DataError: If it is no image, has a mask, or its name says one band and it has several.
    """
    with open_raster(path) as dataset:
        if band is not None and dataset.count > 1:
            raise DataError(
                str(path),
                f"{dataset.count} bands, but its name says {band}",
                "Give a file for each band, or leave the name of the band out.",
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
        for place, index in enumerate(dataset.indexes):
            yield Layer(
                path=path,
                index=index,
                band=band or band_in(dataset.descriptions[place] or "", own),
                shape=dataset.shape,
                block_height=dataset.block_shapes[place][0],
                dtype=dataset.dtypes[place],
                nodata=dataset.nodatavals[place],
                crs=dataset.crs,
                transform=dataset.transform,
                ground=(points, dataset.gcps[1]),
                rpcs=dataset.rpcs,
            )


def write_joined(path: Path, thing: Path, places: Sequence[Place]) -> None:
    """Write a virtual raster, as old as the newest of its files.

    Args:
        path: Where it goes.
        thing: What it is of, for messages.
        places: Its bands.

    Raises:
        DataError: If the files do not lie in one place, or hold no real numbers.
    """
    present = [place.layer for place in places if place.layer is not None]
    finest = min(present, key=lambda layer: layer.pixel)
    for layer in present:
        _check_place(layer, finest)
    dtype = str(np.result_type(*{layer.dtype for layer in present}))
    if dtype not in _GDAL_TYPES:
        raise DataError(str(thing), f"its values are {dtype}", "Give real numbers.")
    height, width = finest.shape
    root = _element(None, "VRTDataset", {"rasterXSize": width, "rasterYSize": height})
    _element(_element(root, "Metadata"), "MDI", {"key": JOINED_TAG}, text=thing)
    if finest.crs is not None:
        _element(root, "SRS", text=finest.crs.to_wkt())
    geotransform = ", ".join(repr(value) for value in finest.transform.to_gdal())
    _element(root, "GeoTransform", text=geotransform)
    _element(root, "BlockYSize", text=max(layer.block_height for layer in present))
    for number, place in enumerate(places, start=1):
        attributes = {"dataType": _GDAL_TYPES[dtype], "band": number}
        _band(_element(root, "VRTRasterBand", attributes), place, (height, width))
    ET.ElementTree(root).write(path, encoding="utf-8")
    if finest.needs_warping:
        _pin(path, finest)
    # As old as its newest file: what was made of them is there already.
    ages = [layer.path.stat().st_mtime_ns for layer in present if not is_virtual(layer.path)]
    if ages:
        os.utime(path, ns=(max(ages), max(ages)))


def _pin(path: Path, layer: Layer) -> None:
    """Give a raster the ground control points and coefficients of a file."""
    points, crs = layer.ground
    with georeferenced_or_not(), rasterio.open(path, "r+") as dataset:
        if points:
            dataset.gcps = ([GroundControlPoint(*point) for point in points], crs)
        if layer.rpcs is not None:
            dataset.rpcs = layer.rpcs


def _band(band: ET.Element, place: Place, shape: tuple[int, int]) -> None:
    if place.modality is not None:
        tags = _element(band, "Metadata")
        _element(tags, "MDI", {"key": MODALITY_TAG}, text=place.modality)
    layer = place.layer
    if layer is None:  # nobody reads it
        return
    if layer.band is not None:
        _element(band, "Description", text=layer.band)
    if layer.nodata is not None:
        _element(band, "NoDataValue", text=repr(layer.nodata))
    source = _element(band, "SimpleSource", {"resampling": "nearest"})
    name = str(layer.path if is_virtual(layer.path) else layer.path.absolute())
    _element(source, "SourceFilename", {"relativeToVRT": 0}, text=name)
    _element(source, "SourceBand", text=layer.index)
    for tag, (height, width) in (("SrcRect", layer.shape), ("DstRect", shape)):
        _element(source, tag, {"xOff": 0, "yOff": 0, "xSize": width, "ySize": height})


def _element(
    parent: ET.Element | None, tag: str, attributes: Mapping[str, Any] | None = None, text: Any = ""
) -> ET.Element:
    values = {name: str(value) for name, value in (attributes or {}).items()}
    element = ET.Element(tag, values) if parent is None else ET.SubElement(parent, tag, values)
    element.text = str(text) or None
    return element


def _check_place(layer: Layer, finest: Layer) -> None:
    """Refuse files that lie elsewhere than the finest one."""
    if layer.needs_warping or finest.needs_warping:
        if (layer.ground, layer.rpcs, layer.shape) != (finest.ground, finest.rpcs, finest.shape):
            raise DataError(
                str(layer.path),
                f"ground control points or coefficients other than those of {finest.path}",
                "Bring the files of a scene onto one grid, such as with gdalwarp.",
            )
        return
    corners = _corners(layer), _corners(finest)
    allowed = _APART * max(layer.pixel, finest.pixel)
    apart = max(abs(a - b) for a, b in zip(*corners, strict=True))
    if layer.crs != finest.crs or apart > allowed:
        raise DataError(
            str(layer.path),
            f"lies elsewhere than {finest.path}: {_extent(layer)}, and not {_extent(finest)}",
            "The files of a scene have to cover the same area in one CRS.",
        )


def _corners(layer: Layer) -> tuple[float, float, float, float]:
    height, width = layer.shape
    place = layer.transform
    return (
        place.c,
        place.f,
        place.a * width + place.b * height + place.c,
        place.d * width + place.e * height + place.f,
    )


def _extent(layer: Layer) -> str:
    left, top, right, bottom = _corners(layer)
    return f"{left:.10g},{bottom:.10g} to {right:.10g},{top:.10g} in {layer.crs or 'no CRS'}"
