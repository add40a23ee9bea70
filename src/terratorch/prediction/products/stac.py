"""A STAC item for each map: place, time, content and provenance.

It follows version 1.1.0 of the specification (https://github.com/radiantearth/stac-spec), with its
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
from typing import Any, ClassVar, TypeAlias
from urllib.parse import quote

import numpy as np
import shapely
from rasterio.warp import transform_geom
from shapely.geometry import mapping

from terratorch import __version__
from terratorch.contracts.map_tags import CLASS_NAMES_TAG, RUN_TAG
from terratorch.contracts.prediction import MAIN_LAYER
from terratorch.drawing.maps import ColorTable, color_table
from terratorch.geo.acquisition import acquired
from terratorch.geo.extent import LON_LAT, lon_lat_bounds
from terratorch.geo.grid import PixelGrid
from terratorch.geo.raster import images_behind, open_raster
from terratorch.geo.types import Bounds, DatasetReader
from terratorch.prediction.products.products import FinishedMap, MapProduct, is_newer

STAC_VERSION = "1.1.0"

_Json: TypeAlias = dict[str, Any]

_SCHEMAS = "https://stac-extensions.github.io"
_PROJECTION = f"{_SCHEMAS}/projection/v2.0.0/schema.json"
_CLASSIFICATION = f"{_SCHEMAS}/classification/v2.0.0/schema.json"
_RASTER = f"{_SCHEMAS}/raster/v2.0.0/schema.json"
_PROCESSING = f"{_SCHEMAS}/processing/v1.2.0/schema.json"

_GEOTIFF = "image/tiff; application=geotiff"
_CLOUD_OPTIMIZED = f"{_GEOTIFF}; profile=cloud-optimized"
_EDGE_POINTS = 8  # of each side of a footprint, which is bent in longitude and latitude


@dataclass(frozen=True)
class _ProductKind:
    """A product of a map that its item links to."""

    key: str
    title: str
    media_type: str
    role: str


# By the suffix of the file.
_PRODUCTS: dict[str, _ProductKind] = {
    ".png": _ProductKind("thumbnail", "Picture of the map", "image/png", "thumbnail"),
    ".gpkg": _ProductKind("gpkg", "Polygons", "application/geopackage+sqlite3", "data"),
    ".geojson": _ProductKind("geojson", "Polygons", "application/geo+json", "data"),
    ".parquet": _ProductKind("parquet", "Polygons", "application/vnd.apache.parquet", "data"),
}


@dataclass(frozen=True)
class Provenance:
    """How maps were made.

    Attributes:
        task: The class of the task.
        model: The name of its backbone or model, None if unknown.
        checkpoints: The files of the weights.
    """

    task: str = ""
    model: str | None = None
    checkpoints: tuple[Path, ...] = ()

    @cached_property
    def properties(self) -> _Json:
        """The properties of an item that describe it."""
        properties: _Json = {"processing:software": {"terratorch": __version__}}
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
        """Return whether the file has the content that it would get now."""
        path = self.path_of(finished)
        if not super().is_current(finished):
            return False
        try:
            current = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:  # another file with this name; it will be replaced
            return False
        return bool(current == json.loads(_text_of(self.item(finished))))

    def make(self, finished: FinishedMap, path: Path) -> None:
        """Write the item."""
        path.write_text(_text_of(self.item(finished)), encoding="utf-8")

    def item(self, finished: FinishedMap) -> _Json:
        """Return the item, as JSON has it."""
        with open_raster(finished.path) as dataset:
            place = _place(dataset)
            projection = _projection(dataset)
            run = dataset.tags().get(RUN_TAG)
        assets = {
            "map" if name == MAIN_LAYER else name: _map_asset(path, name == MAIN_LAYER)
            for name, path in finished.layers.items()
        }
        assets |= _product_assets(finished.path)
        acquisition = acquired(finished.image, finished.path)
        properties: _Json = {
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


def _text_of(item: _Json) -> str:
    return f"{json.dumps(item, indent=2, ensure_ascii=False, allow_nan=False)}\n"


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _place(dataset: DatasetReader) -> _Json:
    """Return geometry and bbox in longitude and latitude, without bbox if they are unknown."""
    bounds = lon_lat_bounds(dataset)
    if bounds is None:
        return {"geometry": None}
    return {
        "geometry": _footprint(dataset, bounds),
        "bbox": [round(value, 7) for value in bounds],
    }


def _footprint(dataset: DatasetReader, bounds: Bounds) -> _Json:
    """Return the border of a map, cut at the antimeridian."""
    grid = PixelGrid.of(dataset)
    border = shapely.segmentize(
        shapely.box(0, 0, grid.width, grid.height), max(grid.width, grid.height) / _EDGE_POINTS
    )
    (footprint,) = shapely.orient_polygons(grid.placed(np.array([border], dtype=object)))
    left, bottom, right, top = footprint.bounds
    if dataset.crs.is_geographic and (left < -180 or right > 180 or bottom < -90 or top > 90):
        # GDAL does not cut what is already in degrees.
        west, south, east, north = (round(value, 7) for value in bounds)
        spans = [(west, east)] if west < east else [(west, 180.0), (-180.0, east)]
        boxes = [shapely.box(start, south, end, north) for start, end in spans]
        parts: _Json = mapping(boxes[0] if len(boxes) == 1 else shapely.MultiPolygon(boxes))
        return parts
    cut: _Json = transform_geom(
        dataset.crs, LON_LAT, mapping(footprint), antimeridian_cutting=True, precision=7
    )
    return cut


def _projection(dataset: DatasetReader) -> _Json:
    if dataset.crs is None:
        return {"proj:code": None, "proj:shape": [dataset.height, dataset.width]}
    authority = dataset.crs.to_authority()
    projection: _Json = {"proj:code": ":".join(authority) if authority else None}
    if authority is None:
        projection["proj:wkt2"] = dataset.crs.to_wkt(version="WKT2_2019")
    return projection | {
        "proj:shape": [dataset.height, dataset.width],
        "proj:transform": list(dataset.transform)[:6],
    }


def _extensions(assets: Mapping[str, _Json]) -> list[str]:
    bands = [band for asset in assets.values() for band in asset.get("bands", ())]
    extensions = [_PROJECTION, _PROCESSING]
    if any("classification:classes" in band for band in bands):
        extensions.append(_CLASSIFICATION)
    if any("raster:scale" in band for band in bands):
        extensions.append(_RASTER)
    return extensions


def _map_asset(path: Path, is_main: bool) -> _Json:
    with open_raster(path) as dataset:
        layout = dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT")
        return {
            "href": quote(path.name),
            "type": _CLOUD_OPTIMIZED if layout == "COG" else _GEOTIFF,
            "title": "Map" if is_main else f"Map of {path.stem.rpartition('_')[2]}",
            "roles": ["data"],
            "bands": [_band(dataset, index) for index in dataset.indexes],
        }


def _band(dataset: DatasetReader, index: int) -> _Json:
    band: _Json = {"name": dataset.descriptions[index - 1] or f"band_{index}"}
    band["data_type"] = dataset.dtypes[index - 1]
    nodata = dataset.nodata
    if nodata is not None:
        band["nodata"] = "nan" if nodata != nodata else int(nodata)
    scale, offset = dataset.scales[index - 1], dataset.offsets[index - 1]
    if (scale, offset) != (1.0, 0.0):
        band |= {"raster:scale": scale, "raster:offset": offset}
    names = dataset.tags().get(CLASS_NAMES_TAG)
    if names and index == 1:
        band["classification:classes"] = _classes(json.loads(names), color_table(dataset))
    return band


def _classes(names: list[str], colors: ColorTable) -> list[_Json]:
    classes: list[_Json] = []
    for value, name in enumerate(names):
        entry: _Json = {"value": value, "name": _machine_name(name, value), "title": name}
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


def _product_assets(path: Path) -> _Json:
    """Return the products of this map, without those of an earlier one of this name."""
    assets: _Json = {}
    for suffix, kind in _PRODUCTS.items():
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
    """Return the relative path from a folder to an image; a URL stays unchanged."""
    if "://" in image or image.startswith("/vsi"):
        return image
    return quote(Path(os.path.relpath(image, folder)).as_posix())
