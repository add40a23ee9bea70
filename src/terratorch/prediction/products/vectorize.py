"""Polygons of class maps, as files of a geographic information system."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.windows import Window

from terratorch.contracts.map_tags import CLASS_NAMES_TAG
from terratorch.contracts.outputs import Content
from terratorch.errors import DataError
from terratorch.geo.raster import open_raster
from terratorch.optional import import_optional
from terratorch.prediction.products.products import FinishedMap, MapProduct
from terratorch.prediction.products.tracing import (
    TRACEABLE,
    Traced,
    import_shapely,
    means_within,
    simplified,
    trace,
)

# An equal-area projection of the whole Earth whose meridians and parallels are straight: areas
# between them are exact on the ellipsoid.
_EQUAL_AREA = "EPSG:6933"
_TRUE_WITHIN = 0.01  # by which a projected CRS may change areas, and is still measured in

# The description of the band of a map of classes.
CLASS_BAND = "class"

_PURPOSE = "write polygons (--vectorize)"


@dataclass(frozen=True)
class VectorFormat:
    """A format of files of polygons.

    Attributes:
        suffix: Of the file.
        write: Writes a frame.
        described: Reads back the description, None where there is none.
    """

    suffix: str
    write: Callable[[Any, Path], None]
    described: Callable[[Path], str | None]


def _write_geopackage(frame: Any, path: Path) -> None:
    with warnings.catch_warnings():
        # A map without georeference stays one.
        warnings.filterwarnings("ignore", "'crs' was not provided")
        frame.to_file(
            path, driver="GPKG", geometry_type="Polygon", DESCRIPTION=frame.attrs["description"]
        )


def _write_geojson(frame: Any, path: Path) -> None:
    # RFC 7946: longitude and latitude, exterior rings counter-clockwise, cut at the antimeridian.
    frame.to_file(
        path,
        driver="GeoJSON",
        geometry_type="Polygon",
        RFC7946="YES",
        DESCRIPTION=frame.attrs["description"],
    )


def _write_geoparquet(frame: Any, path: Path) -> None:
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
    described: str | None = attributes.get("description")
    return described


VECTOR_FORMATS = {
    "gpkg": VectorFormat(".gpkg", _write_geopackage, _geopackage_description),
    "geojson": VectorFormat(".geojson", _write_geojson, _geojson_description),
    "parquet": VectorFormat(".parquet", _write_geoparquet, _geoparquet_description),
}


def import_writers(file_format: str) -> None:
    """Import what writes a format, so that what is missing is told before it is needed.

    Args:
        file_format: A key of `VECTOR_FORMATS`.

    Raises:
        MissingDependencyError: If a package is not installed; the message says how it is.
    """
    import_shapely()
    import_optional("geopandas", "vector", _PURPOSE)
    import_optional(
        "pyarrow.parquet" if file_format == "parquet" else "pyogrio", "vector", _PURPOSE
    )


class PolygonFile(MapProduct):
    """The polygons of a class map.

    Args:
        file_format: A key of `VECTOR_FORMATS`.
        least_area: Polygons of a smaller area are left out: in m2, or in square units of a map
            without a CRS.
        tolerance: In metres, or in units of a map without a CRS; see `tracing.simplified`. None
            keeps the corners of the pixels.
    """

    name = "polygons"

    def __init__(
        self, file_format: str, least_area: float | None = None, tolerance: float | None = None
    ) -> None:
        self.format = VECTOR_FORMATS[file_format]
        self.suffix = self.format.suffix
        self.least_area, self.tolerance = least_area or 0.0, tolerance or 0.0

    @property
    def description(self) -> str:
        """What the file says of itself; files of other settings are made again."""
        return f"minimum area {self.least_area:g}, simplified by {self.tolerance:g}"

    def is_current(self, finished: FinishedMap) -> bool:
        """Whether the file is there, not older than the map, and made with these settings."""
        if not super().is_current(finished):
            return False
        return self.format.described(self.path_of(finished)) == self.description

    def make(self, finished: FinishedMap, path: Path) -> None:
        """Write the polygons.

        Raises:
            DataError: If the map is not one of classes, or lies nowhere and the format is GeoJSON.
        """
        with open_raster(finished.path) as dataset:
            _check(dataset, finished.path, self.suffix == ".geojson")
            grid = Grid(dataset.crs, dataset.transform, dataset.height, dataset.width)
            traced = trace(dataset, grid.areas, self.least_area)
            columns = _columns(traced, dataset)
            layer = finished.layers.get(Content.PROBABILITIES)
            if layer is not None and len(traced.polygons):
                columns |= _mean_probabilities(traced, dataset, layer)
        polygons = traced.polygons
        if self.tolerance and len(polygons):
            polygons = simplified(polygons, self.tolerance / grid.pixel_side)
        frame = import_optional("geopandas", "vector", _PURPOSE).GeoDataFrame(
            columns,
            geometry=grid.placed(polygons),
            crs=None if grid.crs is None else grid.crs.to_wkt(),
        )
        frame.attrs["description"] = self.description
        try:
            self.format.write(frame, path)
        except RuntimeError as error:  # of pyogrio, whose errors have no common class of their own
            raise OSError(str(error)) from error


@dataclass(frozen=True)
class Grid:
    """Where the pixels of a map lie, and how large they are.

    Attributes:
        crs: The coordinate reference system, None where there is none.
        transform: From pixels to coordinates.
        height: Rows.
        width: Columns.
    """

    crs: Any
    transform: Affine
    height: int
    width: int

    def placed(self, polygons: NDArray[Any]) -> NDArray[Any]:
        """Return polygons in coordinates from those in pixels."""
        moved: NDArray[Any] = import_shapely().transform(polygons, self._coordinates)
        return moved

    def areas(self, polygons: NDArray[Any]) -> NDArray[np.float64]:
        """Return the areas of polygons in pixels: in m2, or square units where there is no CRS."""
        if self.crs is None or self._keeps_areas:
            planar: NDArray[np.float64] = import_shapely().area(polygons)
            return planar * abs(self.transform.determinant)
        return self._ground_areas(polygons)

    @cached_property
    def pixel_side(self) -> float:
        """Side of a square as large as the pixel in the middle, in metres or units."""
        box = import_shapely().box(0, 0, 1, 1, ccw=True)
        middle = import_shapely().transform(box, self._to_middle)
        return float(np.sqrt(self.areas(np.array([middle]))[0]))

    @cached_property
    def _keeps_areas(self) -> bool:
        """Whether areas in the plane are those on the ground, all over the map."""
        if self.crs.is_geographic:
            return False
        columns = np.linspace(0, self.width - 1, 3)
        rows = np.linspace(0, self.height - 1, 3)
        left, top = (axis.ravel() for axis in np.meshgrid(columns, rows))
        ground = self._ground_areas(import_shapely().box(left, top, left + 1, top + 1))
        ratios = ground / abs(self.transform.determinant)
        return bool(np.all(np.abs(ratios - 1) <= _TRUE_WITHIN))

    def _ground_areas(self, polygons: NDArray[Any]) -> NDArray[np.float64]:
        shapely = import_shapely()
        areas: NDArray[np.float64] = shapely.area(shapely.transform(polygons, self._equal_area))
        return areas

    def _to_middle(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        return corners + np.array([self.width // 2, self.height // 2])

    def _coordinates(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = self.transform * (corners[:, 0], corners[:, 1])
        return np.column_stack((x, y))

    def _equal_area(self, corners: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = self._coordinates(corners).T
        return np.column_stack(self._to_equal_area.transform(x, y))

    @cached_property
    def _to_equal_area(self) -> Any:
        pyproj = import_optional("pyproj", "vector", _PURPOSE)
        return pyproj.Transformer.from_crs(self.crs.to_wkt(), _EQUAL_AREA, always_xy=True)


def _check(dataset: Any, path: Path, lon_lat: bool) -> None:
    """Refuse a map that no polygons can be made of."""
    if dataset.descriptions[0] != CLASS_BAND:
        raise DataError(str(path), "it is not a map of classes", "Polygons are made of classes.")
    if dataset.dtypes[0] not in TRACEABLE:
        raise DataError(
            str(path),
            f"no polygons can be made of {dataset.dtypes[0]}",
            f"Give an --out_dtype of {', '.join(TRACEABLE)}.",
        )
    if lon_lat and dataset.crs is None:
        raise DataError(
            str(path),
            "it lies nowhere on Earth, as its image has no CRS; GeoJSON holds longitude and "
            "latitude only",
            "Use --vectorize gpkg or parquet, which hold pixel coordinates as well.",
        )


def _columns(traced: Traced, dataset: Any) -> dict[str, Any]:
    columns: dict[str, Any] = {"class_id": traced.classes}
    listed = dataset.tags().get(CLASS_NAMES_TAG)
    if listed:
        names = np.array(json.loads(listed), object)
        columns["class_name"] = names[traced.classes]
    columns["area" if dataset.crs is None else "area_m2"] = traced.areas
    return columns


def _mean_probabilities(traced: Traced, dataset: Any, layer: Path) -> dict[str, Any]:
    """Return the mean probability of its class within each polygon, as a column."""
    with open_raster(layer) as probabilities:
        scale, offset = probabilities.scales[0], probabilities.offsets[0]

        def read(top: int, bottom: int) -> NDArray[np.float64]:
            window = Window(0, top, dataset.width, bottom - top)
            classes = dataset.read(1, window=window).astype(np.intp)
            every = probabilities.read(window=window)
            classes = np.clip(classes, 0, len(every) - 1)[None]  # nodata lies in no polygon
            chosen = np.take_along_axis(every, classes, 0)[0] * scale + offset
            return np.nan_to_num(chosen.astype(np.float64))

        size = dataset.height, dataset.width, probabilities.count + 1
        return {"probability": means_within(traced.polygons, read, *size)}
