"""Files of polygons: how each format is written, and the description that it carries."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from terratorch.optional import import_optional

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

_PURPOSE = "write polygons and boxes"


@dataclass(frozen=True)
class VectorFormat:
    """A format of files of polygons.

    Attributes:
        suffix: Of the file.
        write: Writes a frame with its attribute `description`; `geometry_type` defaults to polygon.
        described: Reads the description back, None without one.
    """

    suffix: str
    write: Callable[[GeoDataFrame, Path], None]
    described: Callable[[Path], str | None]


def _write_geopackage(frame: GeoDataFrame, path: Path) -> None:
    with warnings.catch_warnings():
        # A map without georeference stays one.
        warnings.filterwarnings("ignore", "'crs' was not provided")
        frame.to_file(path, driver="GPKG", **_options(frame))


def _write_geojson(frame: GeoDataFrame, path: Path) -> None:
    # RFC 7946: longitude and latitude, exterior rings counter-clockwise, cut at the antimeridian.
    frame.to_file(path, driver="GeoJSON", RFC7946="YES", **_options(frame))


def _options(frame: GeoDataFrame) -> dict[str, str]:
    return {
        "geometry_type": frame.attrs.get("geometry_type", "Polygon"),
        "DESCRIPTION": frame.attrs["description"],
    }


def _write_geoparquet(frame: GeoDataFrame, path: Path) -> None:
    frame.to_parquet(path, compression="zstd")  # with the attributes of the frame


def _geopackage_description(path: Path) -> str | None:
    info = import_optional("pyogrio", "vector", _PURPOSE).read_info(path)
    return (info["layer_metadata"] or {}).get("DESCRIPTION")


def _geojson_description(path: Path) -> str | None:
    with path.open(encoding="utf-8") as file:
        for line in file:  # a line for each key, then one for each polygon
            if line.startswith('"features"'):
                return None
            if line.startswith('"description"'):
                return str(json.loads(f"{{{line.rstrip().rstrip(',')}}}")["description"])
    return None


def _geoparquet_description(path: Path) -> str | None:
    schema = import_optional("pyarrow.parquet", "vector", _PURPOSE).read_schema(path)
    attributes = json.loads((schema.metadata or {}).get(b"PANDAS_ATTRS", b"{}"))
    description: str | None = attributes.get("description")
    return description


VECTOR_FORMATS = {
    "gpkg": VectorFormat(".gpkg", _write_geopackage, _geopackage_description),
    "geojson": VectorFormat(".geojson", _write_geojson, _geojson_description),
    "parquet": VectorFormat(".parquet", _write_geoparquet, _geoparquet_description),
}


def import_writers(file_format: str) -> None:
    """Import the packages of a format, so that a missing one is reported before it is needed.

    Args:
        file_format: A key of `VECTOR_FORMATS`.

    Raises:
        MissingDependencyError: If a package is not installed; the message has the pip command.
    """
    import_optional("geopandas", "vector", _PURPOSE)
    writer = "pyarrow.parquet" if file_format == "parquet" else "pyogrio"
    import_optional(writer, "vector", _PURPOSE)
