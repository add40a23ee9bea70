"""One scene in several files: its bands, or its dates, as one virtual raster.

The files of a folder are joined by a VRT of GDAL, so that whatever reads one file reads them. Bands
are told by their names: in the names of the files, or in the descriptions of their bands.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from rasterio.enums import MaskFlags

from terratorch.datasets.band_names import band_in
from terratorch.datasets.files import find_files, shortened
from terratorch.datasets.input_spec import InputSpec
from terratorch.errors import ConfigurationError, DataError
from terratorch.geo.raster import open_raster

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

    @property
    def pixel(self) -> float:
        """Width of a pixel in units of the map."""
        return abs(float(self.transform.a))


def stack_folder(folder: Path, spec: InputSpec, target: Path) -> Path:
    """Write a virtual raster of the bands in a folder, in the order that a model's input needs.

    Files of several resolutions are brought to the finest by repeating pixels: values stay as they
    are, and the same wherever a window begins. With `expand_temporal_dimension` a folder holds
    either a file for each date, or a file for each band and date; dates follow the names of files.

    Args:
        folder: The scene.
        spec: The bands of an input.
        target: The folder that the virtual raster is written to.

    Returns:
        The virtual raster, called like the folder.

    Raises:
        ConfigurationError: If the bands have no names.
        DataError: If bands are missing, or files do not lie in one place.
    """
    bands = spec.selection().file_bands
    if bands is None or not all(isinstance(band, str) for band in bands):
        raise ConfigurationError(
            "dataset_bands",
            f"the files of the folder {folder} are told apart by the names of their bands, which "
            "are not given",
            "List them in dataset_bands for the training: a checkpoint keeps them.",
        )
    names = [str(band) for band in bands]
    needed = {str(name) for name in spec.selection().names or names}
    if spec.expand_temporal_dimension:
        layers = _dates(folder, names, needed)
    else:
        layers = _bands(folder, names, needed)
    path = target / f"{folder.resolve().name}.vrt"
    _write(path, folder, layers)
    return path


def _bands(folder: Path, names: Sequence[str], needed: set[str]) -> list[Layer | None]:
    """Return the layers of one date; None for bands that the model does not need."""
    found = _by_band(folder, needed)
    return [_one(folder, name, found[name]) if name in found else None for name in names]


def _dates(folder: Path, names: Sequence[str], needed: set[str]) -> list[Layer | None]:
    """Return the layers of all dates, one after the other."""
    files = _files(folder)
    if not any(band_in(path.stem, needed) in needed for path in files):
        dates = [list(_layers(path)) for path in files]
        for path, layers in zip(files, dates, strict=True):
            if len(layers) != len(names):
                raise DataError(
                    str(path),
                    f"{len(layers)} bands, but dataset_bands lists {len(names)} for each date",
                    "Give a file with all bands for each date, or one for each band and date.",
                )
        return [layer for layers in dates for layer in layers]
    found = _by_band(folder, needed)
    counts = {name: len(layers) for name, layers in found.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise DataError(
            str(folder),
            f"its bands have several numbers of dates: {listed}",
            "Put one file for each band and date there.",
        )
    steps = range(next(iter(counts.values())))
    return [found[name][step] if name in found else None for step in steps for name in names]


def _files(folder: Path) -> list[Path]:
    return [file.path for file in find_files(folder, "**/*", "predict_data")]


def _by_band(folder: Path, needed: set[str]) -> dict[str, list[Layer]]:
    """Return the layers of each band that is needed, in the order of file names."""
    found: dict[str, list[Layer]] = {}
    files = _files(folder)
    for path in files:
        band = band_in(path.stem, needed)
        if band in needed:
            found.setdefault(band, []).extend(_layers(path, band))
    if len(found) < len(needed):
        for path in files:
            if band_in(path.stem, needed) is None:
                for layer in _described(path, needed):
                    if layer.band is not None and layer.band in needed - found.keys():
                        found.setdefault(layer.band, []).append(layer)
    missing = sorted(needed - found.keys())
    if missing:
        raise DataError(
            str(folder),
            f"no file for the band{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            f"There are: {shortened([path.name for path in files])}. A file's name has to hold the "
            "name of its band, such as scene_RED.tif or T33UUP_B04.jp2.",
        )
    for layers in found.values():
        layers.sort(key=lambda layer: layer.path.name)
    return found


def _one(folder: Path, band: str, layers: Sequence[Layer]) -> Layer:
    """Return the layer of a band, the finest where there are several."""
    finest = min(layers, key=lambda layer: layer.pixel)
    alike = [layer for layer in layers if layer.pixel == finest.pixel]
    if len(alike) > 1:
        raise DataError(
            str(folder),
            f"{len(alike)} files for the band {band}: "
            f"{shortened([layer.path.name for layer in alike])}",
            "Give each scene a folder of its own; dates are for models of several time steps "
            "(expand_temporal_dimension).",
        )
    return finest


def _described(path: Path, needed: set[str]) -> Iterator[Layer]:
    """Yield the layers of a file that may be no image at all."""
    try:
        yield from list(_layers(path, own=needed))
    except DataError:  # what else lies in the folder
        return


def _layers(path: Path, band: str | None = None, own: Iterable[str] = ()) -> Iterator[Layer]:
    """Yield the bands of a file.

    Args:
        path: The file.
        band: What its name says; None takes the descriptions of its bands.
        own: Names of bands that are in no table.
    """
    with open_raster(path) as dataset:
        if band is not None and dataset.count > 1:
            raise DataError(
                str(path),
                f"{dataset.count} bands, but its name says {band}",
                "Give a file for each band, or leave the name of the band out.",
            )
        if any(MaskFlags.per_dataset in flags for flags in dataset.mask_flag_enums):
            raise DataError(
                str(path),
                "a mask, which is not read where files are joined",
                "Mark the pixels by a nodata value.",
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
            )


def _write(path: Path, folder: Path, layers: Sequence[Layer | None]) -> None:
    present = [layer for layer in layers if layer is not None]
    finest = min(present, key=lambda layer: layer.pixel)
    for layer in present:
        _check_place(layer, finest)
    dtype = str(np.result_type(*{layer.dtype for layer in present}))
    if dtype not in _GDAL_TYPES:
        raise DataError(str(folder), f"its values are {dtype}", "Give real numbers.")
    height, width = finest.shape
    root = _element(None, "VRTDataset", {"rasterXSize": width, "rasterYSize": height})
    if finest.crs is not None:
        _element(root, "SRS", text=finest.crs.to_wkt())
    geotransform = ", ".join(repr(value) for value in finest.transform.to_gdal())
    _element(root, "GeoTransform", text=geotransform)
    _element(root, "BlockYSize", text=max(layer.block_height for layer in present))
    for number, one in enumerate(layers, start=1):
        _band(root, number, one, _GDAL_TYPES[dtype], (height, width))
    ET.ElementTree(root).write(path, encoding="utf-8")
    # As old as its newest file: what was made of them is there already.
    newest = max(layer.path.stat().st_mtime_ns for layer in present)
    os.utime(path, ns=(newest, newest))


def _band(
    root: ET.Element, number: int, layer: Layer | None, dtype: str, shape: tuple[int, int]
) -> None:
    band = _element(root, "VRTRasterBand", {"dataType": dtype, "band": number})
    if layer is None:  # nobody reads it
        return
    if layer.band is not None:
        _element(band, "Description", text=layer.band)
    if layer.nodata is not None:
        _element(band, "NoDataValue", text=repr(layer.nodata))
    source = _element(band, "SimpleSource", {"resampling": "nearest"})
    name = str(layer.path.absolute())
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
    corners = _corners(layer), _corners(finest)
    allowed = _APART * max(layer.pixel, finest.pixel)
    apart = max(abs(a - b) for a, b in zip(*corners, strict=True))
    if layer.crs != finest.crs or apart > allowed:
        raise DataError(
            str(layer.path),
            f"lies elsewhere than {finest.path.name}: {_place(layer)}, and not {_place(finest)}",
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


def _place(layer: Layer) -> str:
    left, top, right, bottom = _corners(layer)
    return f"{left:.10g},{bottom:.10g} to {right:.10g},{top:.10g} in {layer.crs or 'no CRS'}"
