"""Areas of interest: polygons from a file or from bounds, and which pixels of a raster they cover.

GeoJSON is read without further packages; other formats need geopandas. Transformations are those of
rasterio, so that nothing here needs pyproj.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.errors import CRSError
from rasterio.features import rasterize
from rasterio.warp import transform as transform_points
from rasterio.warp import transform_bounds
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from terratorch.errors import ConfigurationError, DataError, MissingFileError
from terratorch.geo.grid import PixelGrid, affine_points
from terratorch.geo.types import CRS, Affine, Array, Bounds
from terratorch.optional import import_optional

LON_LAT = CRS.from_epsg(4326)

Polygons: TypeAlias = Sequence[shapely.Polygon] | NDArray[np.object_]

_GEOJSON, _PARQUET = (".geojson", ".json"), (".parquet", ".geoparquet")
# Edges are straight in their own CRS and bent in that of the raster: pieces of this length stay
# within centimetres of the bend.
_PIECE = {True: 0.01, False: 1000.0}  # degrees, or units of the map
_MAX_PIECES = 2000  # of an edge as long as the raster
_MARGIN = 0.1  # of the raster that polygons are kept beyond it
_PIXEL_MARGIN = 2.0  # beyond the rows of a mask, for the rules of pixels at a border
_WIDEST = 300.0  # degrees that bounds across the antimeridian may span
_SPELLING = "Check the spelling; bounds are four numbers with commas: WEST,SOUTH,EAST,NORTH."


@dataclass(frozen=True)
class AreaOfInterest:
    """Polygons in one coordinate reference system.

    Attributes:
        polygons: The polygons; they may overlap.
        crs: Of their coordinates; longitude or easting comes first.
        name: What the user gave, for messages.
    """

    polygons: tuple[shapely.Polygon, ...]
    crs: CRS
    name: str

    def on_grid(self, grid: PixelGrid) -> NDArray[np.object_]:
        """Return the polygons in pixels `(column, row)` of a raster, cut off far beyond it."""
        polygons = np.array(self.polygons, dtype=object)
        if self.crs != grid.crs:
            outline = shapely.box(0, 0, grid.width, grid.height)
            (placed,) = grid.placed(np.array([outline], dtype=object))
            polygons = self._projected(grid.crs, placed.bounds)
        elif self.crs.is_geographic:  # rasters may extend beyond 180 degrees
            turns = np.repeat([-360.0, 0.0, 360.0], len(polygons))
            polygons = _shifted(np.tile(polygons, 3), turns)
        moved: NDArray[np.object_] = shapely.transform(
            polygons, partial(affine_points, ~grid.transform)
        )
        return moved

    def _projected(self, crs: CRS, bounds: Bounds) -> NDArray[np.object_]:
        """Return what is near the bounds of a raster, in its CRS.

        The rest is cut off first: far away a projection is not defined.
        """
        clipped = []
        for window in _windows(transform_bounds(crs, self.crs, *bounds, densify_pts=51)):
            piece = max(_PIECE[self.crs.is_geographic], (window[2] - window[0]) / _MAX_PIECES)
            clipped.append(shapely.segmentize(_clipped(self.polygons, window), piece))
        projected: NDArray[np.object_] = shapely.transform(
            np.concatenate(clipped), partial(_transformed, self.crs, crs)
        )
        return projected


def covered_rows(polygons: Polygons, begin: int, end: int, width: int) -> NDArray[np.bool_]:
    """Return which pixels have their centre in a polygon, `(end - begin, width)`.

    Args:
        polygons: In pixels `(column, row)`, as `AreaOfInterest.on_grid` returns them.
        begin: The first row.
        end: The row after the last.
        width: Columns.
    """
    margin = _PIXEL_MARGIN
    near = _clipped(polygons, (-margin, begin - margin, width + margin, end + margin))
    if not len(near):
        return np.zeros((end - begin, width), bool)
    transform = Affine.translation(0, begin)
    burnt = rasterize(near, (end - begin, width), transform=transform, dtype="uint8")
    covered: NDArray[np.bool_] = burnt != 0
    return covered


def read_area(path: Path, crs: str | None, option: str) -> AreaOfInterest:
    """Read the polygons of a file.

    Args:
        path: GeoJSON, or a format that geopandas reads.
        crs: The coordinate reference system, if the file does not state it.
        option: The option that names the file, for messages.

    Raises:
        MissingFileError: If there is no such file.
        DataError: If it holds no polygons, or other geometries as well.
        ConfigurationError: If the CRS contradicts the file, or is missing.
        MissingDependencyError: If the format needs a package.
    """
    if not path.exists():
        raise MissingFileError(f"{option} '{path}'", "does not exist", _SPELLING)
    subject = f"{option} '{path}'"
    read = _read_geojson if path.suffix.lower() in _GEOJSON else _read_with_geopandas
    geometries, file_crs = read(path, subject)
    option_crs = None if crs is None else parse_crs(crs, f"{option}_crs")
    if option_crs is not None and file_crs is not None and option_crs != file_crs:
        raise ConfigurationError(
            f"{option}_crs", f"{crs}, but the file {path} has {file_crs}", "Remove the option."
        )
    polygons = tuple(_polygons(geometries, subject))
    if not polygons:
        raise DataError(subject, "holds no polygons", "Draw the area as polygons.")
    area = AreaOfInterest(polygons, file_crs or option_crs or LON_LAT, str(path))
    _check_degrees(area, subject, f"{option}_crs")
    return area


def parse_bounds(text: str, crs: str | None, option: str) -> AreaOfInterest | None:
    """Return the box of `WEST,SOUTH,EAST,NORTH`; None if the text is not four numbers.

    Without a CRS the bounds are longitude and latitude; then a west that is east of the east
    crosses the antimeridian.

    Raises:
        ConfigurationError: If the box is empty, or nearly all of the Earth.
    """
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        return None
    parsed = LON_LAT if crs is None else parse_crs(crs, f"{option}_crs")
    subject = f"{option} '{text}'"
    crosses = parsed == LON_LAT and west > east
    if not (west < east or crosses) or not south < north:
        raise ConfigurationError(
            subject, "there is nothing between these bounds", "The order is WEST,SOUTH,EAST,NORTH."
        )
    if crosses and east + 360.0 - west > _WIDEST:  # the two were most likely swapped
        raise ConfigurationError(
            subject,
            f"from west {west:.12g} eastwards to {east:.12g} it goes round nearly all of the Earth",
            "Swap them: the order is WEST,SOUTH,EAST,NORTH.",
        )
    spans = [(west, 180.0), (-180.0, east)] if crosses else [(west, east)]
    boxes = tuple(shapely.box(left, south, right, north, ccw=False) for left, right in spans)
    area = AreaOfInterest(boxes, parsed, text)
    _check_degrees(area, subject, f"{option}_crs")
    return area


def parse_crs(text: str, option: str) -> CRS:
    """Return a coordinate reference system.

    Raises:
        ConfigurationError: If it is not known.
    """
    try:
        return CRS.from_user_input(text)
    except (CRSError, ValueError) as error:  # the second for EPSG:xyz
        raise ConfigurationError(
            option, f"{text!r} is not a known CRS", "Write it as EPSG:32633."
        ) from error


def _shifted(polygons: Polygons, degrees: NDArray[np.float64]) -> NDArray[np.object_]:
    """Return polygons moved eastwards, each by its own number of degrees."""
    moved = np.array(polygons, dtype=object)
    corners = shapely.get_coordinates(moved)
    corners[:, 0] += np.repeat(degrees, shapely.get_num_coordinates(moved))
    shifted: NDArray[np.object_] = shapely.set_coordinates(moved, corners)
    return shifted


def _transformed(source: CRS, target: CRS, points: Array) -> NDArray[np.float64]:
    """Return points `(n, 2)` in another CRS."""
    return np.column_stack(transform_points(source, target, points[:, 0], points[:, 1])[:2])


def _clipped(polygons: Polygons, bounds: Bounds) -> NDArray[np.object_]:
    """Return the parts of polygons within bounds, without empty ones."""
    parts = shapely.clip_by_rect(np.asarray(polygons, dtype=object), *bounds)
    inside: NDArray[np.object_] = parts[~shapely.is_empty(parts)]
    return inside


def _windows(bounds: Bounds) -> list[Bounds]:
    """Return bounds with a margin; two of them if they cross the antimeridian."""
    left, bottom, right, top = bounds
    if left > right:
        return [*_windows((left, bottom, 180.0, top)), *_windows((-180.0, bottom, right, top))]
    across, up = _MARGIN * (right - left), _MARGIN * (top - bottom)
    return [(left - across, bottom - up, right + across, top + up)]


def _read_geojson(path: Path, subject: str) -> tuple[list[BaseGeometry], CRS | None]:
    """Return the geometries, and the CRS if the file names it, as was allowed before 2016."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(subject, f"is not JSON ({error})", "Write the area as GeoJSON.") from error
    if not isinstance(content, Mapping) or "type" not in content:
        raise DataError(subject, "is not GeoJSON: it has no 'type'", "Write the area as GeoJSON.")
    name = ((content.get("crs") or {}).get("properties") or {}).get("name")
    features = content.get("features", [content])
    try:
        geometries = [feature.get("geometry", feature) for feature in features]
        shapes = [shape(geometry) for geometry in geometries if geometry]
    except (ShapelyError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            subject, f"is not valid GeoJSON ({error})", "Write the area as GeoJSON."
        ) from error
    return shapes, None if name is None else parse_crs(name, subject)


def _read_with_geopandas(path: Path, subject: str) -> tuple[list[BaseGeometry], CRS | None]:
    purpose = f"read polygons from {path.name}"
    geopandas = import_optional("geopandas", "vector", purpose)
    unreadable = import_optional("pyogrio.errors", "vector", purpose).DataSourceError
    read = geopandas.read_file
    if path.suffix.lower() in _PARQUET:
        import_optional("pyarrow.parquet", "vector", purpose)
        read = geopandas.read_parquet
    try:
        frame = read(path)
    except (unreadable, OSError, ValueError) as error:
        raise DataError(
            subject, f"cannot be read as polygons ({error})", "Give GeoJSON or GeoPackage."
        ) from error
    if "geometry" not in frame:
        raise DataError(subject, "holds no geometries", "Draw the area as polygons.")
    geometries = [geometry for geometry in frame.geometry if geometry is not None]
    return geometries, None if frame.crs is None else CRS.from_wkt(frame.crs.to_wkt())


def _polygons(geometries: Sequence[BaseGeometry], subject: str) -> Iterator[shapely.Polygon]:
    for geometry in geometries:
        if geometry.geom_type in ("MultiPolygon", "GeometryCollection"):
            yield from _polygons(geometry.geoms, subject)
        elif geometry.geom_type != "Polygon":
            kind = geometry.geom_type
            raise DataError(subject, f"holds a {kind}", "Draw the area as polygons, or buffer it.")
        elif not geometry.is_empty:
            yield shapely.force_2d(geometry)


def _check_degrees(area: AreaOfInterest, subject: str, crs_option: str) -> None:
    if area.crs != LON_LAT:
        return
    corners = shapely.get_coordinates(area.polygons)
    outside = ~(np.abs(corners) <= (360.0, 90.0)).all(axis=1)
    if outside.any():
        x, y = corners[outside][0]
        raise ConfigurationError(
            subject,
            f"{x:.12g},{y:.12g} is not a longitude and latitude",
            f"Name the CRS of the coordinates: --{crs_option} EPSG:CODE",
        )
