"""A STAC item beside each map: where and when it is, what is in it, and how it was made.

Written by the specification, version 1.1.0 (https://github.com/radiantearth/stac-spec), with its
extensions for projections, classifications, rasters and processing. All hrefs are relative, so that
the folder can be moved.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from rasterio.enums import ColorInterp
from rasterio.warp import transform_geom

from terratorch import __version__
from terratorch.contracts.map_tags import CLASS_NAMES_TAG, RUN_TAG
from terratorch.contracts.prediction import MAIN_LAYER
from terratorch.geo.acquisition import acquired
from terratorch.geo.extent import LON_LAT, Bounds, lon_lat_bounds
from terratorch.geo.raster import images_behind, open_raster
from terratorch.prediction.products.products import FinishedMap, MapProduct, is_newer

STAC_VERSION = "1.1.0"

_SCHEMAS = "https://stac-extensions.github.io"
_PROJECTION = f"{_SCHEMAS}/projection/v2.0.0/schema.json"
_CLASSIFICATION = f"{_SCHEMAS}/classification/v2.0.0/schema.json"
_RASTER = f"{_SCHEMAS}/raster/v2.0.0/schema.json"
_PROCESSING = f"{_SCHEMAS}/processing/v1.2.0/schema.json"

_GEOTIFF = "image/tiff; application=geotiff"
_CLOUD_OPTIMIZED = f"{_GEOTIFF}; profile=cloud-optimized"
_EDGE_POINTS = 8  # of each side of a footprint, which is bent in longitude and latitude


@dataclass(frozen=True)
class _FileKind:
    """A file beside a map that an item leads to."""

    key: str
    title: str
    media_type: str
    role: str


# By what follows the name of the map.
_BESIDE: dict[str, _FileKind] = {
    ".png": _FileKind("thumbnail", "Picture of the map", "image/png", "thumbnail"),
    ".gpkg": _FileKind("gpkg", "Polygons", "application/geopackage+sqlite3", "data"),
    ".geojson": _FileKind("geojson", "Polygons", "application/geo+json", "data"),
    ".parquet": _FileKind("parquet", "Polygons", "application/vnd.apache.parquet", "data"),
}


@dataclass(frozen=True)
class Provenance:
    """How maps were made.

    Attributes:
        task: The class of the task.
        model: The name of its backbone, or model, where it has one.
        checkpoints: The files of the weights.
    """

    task: str = ""
    model: str | None = None
    checkpoints: tuple[Path, ...] = ()

    @cached_property
    def properties(self) -> dict[str, Any]:
        """The properties of an item that say so."""
        properties: dict[str, Any] = {"processing:software": {"terratorch": __version__}}
        if self.task:
            properties["terratorch:task"] = self.task
        if self.model is not None:
            properties["terratorch:model"] = self.model
        if self.checkpoints:
            properties["terratorch:checkpoints"] = [
                {"name": path.name, "sha256": _sha256(path)} for path in self.checkpoints
            ]
        return properties


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class StacItem(MapProduct):
    """The STAC item of a map.

    Args:
        provenance: How the maps of the run were made.
    """

    name: ClassVar[str] = "STAC item"
    suffix = ".json"

    def __init__(self, provenance: Provenance) -> None:
        self.provenance = provenance

    def is_current(self, finished: FinishedMap) -> bool:
        """Whether the file says what it would say if it were made now."""
        path = self.path_of(finished)
        if not super().is_current(finished):
            return False
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:  # something else has this name; it will be replaced
            return False
        return bool(found == json.loads(_text_of(self.item(finished))))

    def make(self, finished: FinishedMap, path: Path) -> None:
        """Write the item."""
        path.write_text(_text_of(self.item(finished)), encoding="utf-8")

    def item(self, finished: FinishedMap) -> dict[str, Any]:
        """Return the item, as JSON has it."""
        with open_raster(finished.path) as dataset:
            place = _place(dataset)
            projection = _projection(dataset)
            run = dataset.tags().get(RUN_TAG)
        assets = {
            "map" if name == MAIN_LAYER else name: _map_asset(path, name == MAIN_LAYER)
            for name, path in finished.layers.items()
        }
        assets |= _assets_beside(finished.path)
        acquisition = acquired(finished.image, finished.path)
        properties: dict[str, Any] = {
            "datetime": _time(acquisition.when),
            "terratorch:datetime_source": acquisition.source,
            "created": _time(_modified(finished.path)),
            **projection,
            **self.provenance.properties,
        }
        if run:
            properties["terratorch:run"] = run
        return {
            "type": "Feature",
            "stac_version": STAC_VERSION,
            "stac_extensions": _extensions(assets),
            "id": finished.path.stem,
            **place,
            "properties": properties,
            "links": [
                {
                    "rel": "derived_from",
                    "href": _href(image, finished.path.parent),
                    "title": "The image that was predicted",
                }
                for image in images_behind(finished.image)
            ],
            "assets": assets,
        }


def _text_of(item: dict[str, Any]) -> str:
    return f"{json.dumps(item, indent=2, ensure_ascii=False, allow_nan=False)}\n"


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _place(dataset: Any) -> dict[str, Any]:
    """Return geometry and bbox in longitude and latitude; a map that lies nowhere has none."""
    bounds = lon_lat_bounds(dataset)
    if bounds is None:
        return {"geometry": None}
    return {
        "geometry": _footprint(dataset, bounds),
        "bbox": [round(value, 7) for value in bounds],
    }


def _footprint(dataset: Any, bounds: Bounds) -> dict[str, Any]:
    """Return the border of a map, cut at the antimeridian."""
    steps = [index / _EDGE_POINTS for index in range(_EDGE_POINTS)]
    # Counter-clockwise from the upper left corner, where rows run downwards.
    edge = [(0.0, step) for step in steps]
    edge += [(step, 1.0) for step in steps]
    edge += [(1.0, 1.0 - step) for step in steps]
    edge += [(1.0 - step, 0.0) for step in steps]
    corners = [dataset.transform * (x * dataset.width, y * dataset.height) for x, y in edge]
    if dataset.transform.determinant > 0:  # rows run upwards
        corners.reverse()
    footprint = {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}
    beyond = any(abs(longitude) > 180 or abs(latitude) > 90 for longitude, latitude in corners)
    if dataset.crs.is_geographic and beyond:
        return _boxes(bounds)
    cut: dict[str, Any] = transform_geom(
        dataset.crs, LON_LAT, footprint, antimeridian_cutting=True, precision=7
    )
    return cut


def _boxes(bounds: Bounds) -> dict[str, Any]:
    """Return bounds as polygons: GDAL does not cut what is in degrees already."""
    west, south, east, north = (round(value, 7) for value in bounds)
    spans = [(west, east)] if west < east else [(west, 180.0), (-180.0, east)]
    boxes = [
        [[(left, north), (left, south), (right, south), (right, north), (left, north)]]
        for left, right in spans
    ]
    if len(boxes) == 1:
        return {"type": "Polygon", "coordinates": boxes[0]}
    return {"type": "MultiPolygon", "coordinates": boxes}


def _projection(dataset: Any) -> dict[str, Any]:
    if dataset.crs is None:
        return {"proj:code": None, "proj:shape": [dataset.height, dataset.width]}
    authority = dataset.crs.to_authority()
    projection: dict[str, Any] = {"proj:code": ":".join(authority) if authority else None}
    if authority is None:
        projection["proj:wkt2"] = dataset.crs.to_wkt(version="WKT2_2019")
    return projection | {
        "proj:shape": [dataset.height, dataset.width],
        "proj:transform": list(dataset.transform)[:6],
    }


def _extensions(assets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    bands = [band for asset in assets.values() for band in asset.get("bands", ())]
    extensions = [_PROJECTION, _PROCESSING]
    if any("classification:classes" in band for band in bands):
        extensions.append(_CLASSIFICATION)
    if any("raster:scale" in band for band in bands):
        extensions.append(_RASTER)
    return extensions


def _map_asset(path: Path, is_main: bool) -> dict[str, Any]:
    with open_raster(path) as dataset:
        layout = dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT")
        return {
            "href": quote(path.name),
            "type": _CLOUD_OPTIMIZED if layout == "COG" else _GEOTIFF,
            "title": "Map" if is_main else f"Map of {path.stem.rpartition('_')[2]}",
            "roles": ["data"],
            "bands": [_band(dataset, index) for index in dataset.indexes],
        }


def _band(dataset: Any, index: int) -> dict[str, Any]:
    band: dict[str, Any] = {"name": dataset.descriptions[index - 1] or f"band_{index}"}
    band["data_type"] = dataset.dtypes[index - 1]
    nodata = dataset.nodata
    if nodata is not None:
        band["nodata"] = "nan" if nodata != nodata else int(nodata)
    scale, offset = dataset.scales[index - 1], dataset.offsets[index - 1]
    if (scale, offset) != (1.0, 0.0):
        band |= {"raster:scale": scale, "raster:offset": offset}
    names = dataset.tags().get(CLASS_NAMES_TAG)
    if names and index == 1:
        band["classification:classes"] = _classes(json.loads(names), _colors(dataset))
    return band


def _colors(dataset: Any) -> Mapping[int, tuple[int, int, int, int]]:
    if dataset.colorinterp[0] is not ColorInterp.palette:
        return {}
    colors: Mapping[int, tuple[int, int, int, int]] = dataset.colormap(1)
    return colors


def _classes(
    names: list[str], colors: Mapping[int, tuple[int, int, int, int]]
) -> list[dict[str, Any]]:
    classes: list[dict[str, Any]] = []
    for value, name in enumerate(names):
        entry: dict[str, Any] = {"value": value, "name": _machine_name(name, value), "title": name}
        if value in colors:
            entry["color_hint"] = "".join(f"{level:02X}" for level in colors[value][:3])
        classes.append(entry)
    return classes


def _machine_name(name: str, value: int) -> str:
    """Return a name of the characters that the extension allows."""
    kept = "".join(
        char if char.isascii() and (char.isalnum() or char in "-_") else "_" for char in name
    )
    return kept.strip("_") or f"class_{value}"


def _assets_beside(path: Path) -> dict[str, Any]:
    """Return what was made of this map, and not of one that had its name before."""
    assets: dict[str, Any] = {}
    for suffix, kind in _BESIDE.items():
        file = path.with_suffix(suffix)
        if is_newer(file, path):
            assets[kind.key] = {
                "href": quote(file.name),
                "type": kind.media_type,
                "title": kind.title,
                "roles": [kind.role],
            }
    return assets


def _href(image: str, folder: Path) -> str:
    """Return the way from a folder to an image; an address on the network stays one."""
    if "://" in image or image.startswith("/vsi"):
        return image
    return quote(Path(os.path.relpath(image, folder)).as_posix())
