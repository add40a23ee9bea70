"""Polygons from a file or from bounds, and where they lie on the grid of a raster.

GeoJSON is read without further packages; other formats need geopandas.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform as transform_points
from rasterio.warp import transform_bounds

from terratorch.errors import ConfigurationError, DataError, MissingFileError
from terratorch.optional import import_optional

Ring = NDArray[np.float64]  # (n, 2); the first corner is not repeated
Polygon = tuple[Ring, ...]  # the border, and its holes
Box = tuple[float, float, float, float]  # left, bottom, right, top; or least and most of any axes

LON_LAT = CRS.from_epsg(4326)

_GEOJSON, _PARQUET = (".geojson", ".json"), (".parquet", ".geoparquet")
# Edges are straight in their own CRS and bent in that of the raster: pieces of this length stay
# within centimetres of the bend.
_PIECE = {True: 0.01, False: 1000.0}  # degrees, or units of the map
_MOST_PIECES = 2000  # of one edge
_MARGIN = 0.1  # of the raster that polygons are kept beyond it
_WIDEST = 300.0  # degrees that bounds across the antimeridian span
_SPELLING = "Check the spelling; bounds are four numbers with commas: WEST,SOUTH,EAST,NORTH."


@dataclass(frozen=True)
class PolygonSet:
    """Polygons in one coordinate reference system.

    Attributes:
        polygons: Each a border and its holes.
        crs: Of their coordinates; longitude or easting comes first.
        name: What the user gave, for messages.
    """

    polygons: tuple[Polygon, ...]
    crs: Any
    name: str

    def on_grid(self, crs: Any, transform: Any, height: int, width: int) -> list[Polygon]:
        """Return the polygons in pixels `(column, row)` of a raster, cut off far beyond it.

        Args:
            crs: Of the raster.
            transform: From pixels to coordinates.
            height: Rows.
            width: Columns.
        """
        polygons: Iterable[Polygon] = self.polygons
        if self.crs != crs:
            corners = mapped(_box_ring(0, 0, width, height), transform)
            polygons = self._projected(crs, _bounds(corners))
        to_pixels = ~transform
        return [tuple(mapped(ring, to_pixels) for ring in polygon) for polygon in polygons]

    def _projected(self, crs: Any, box: Box) -> Iterator[Polygon]:
        """Yield what lies near a box of another CRS, in that CRS.

        The rest is cut off first: far away a projection is not defined.
        """
        windows = _windows(transform_bounds(crs, self.crs, *box, densify_pts=51))
        piece = _PIECE[self.crs.is_geographic]
        for polygon in self.polygons:
            for window in windows:
                rings = clipped(polygon, window)
                yield tuple(_transformed(_densified(ring, piece), self.crs, crs) for ring in rings)


def read_polygons(path: Path, crs: str | None, option: str) -> PolygonSet:
    """Read the polygons of a file; other geometries are an error.

    Args:
        path: GeoJSON, or what geopandas reads.
        crs: The coordinate reference system, where the file does not say it.
        option: The option that gives the file, for messages.

    Raises:
        MissingFileError: If it is not there.
        DataError: If it holds no polygons, or others as well.
        ConfigurationError: If the CRS is missing, or contradicts the file.
        MissingDependencyError: If the format needs a package.
    """
    if not path.exists():
        raise MissingFileError(f"{option} '{path}'", "does not exist", _SPELLING)
    thing = f"{option} '{path}'"
    reader = _read_geojson if path.suffix.lower() in _GEOJSON else _read_with_geopandas
    geometries, own = reader(path, thing)
    if crs is not None and own is not None and parse_crs(crs, f"{option}_crs") != own:
        raise ConfigurationError(
            f"{option}_crs", f"{crs}, but the file {path} says {own}", "Leave it out."
        )
    chosen = own or (LON_LAT if crs is None else parse_crs(crs, f"{option}_crs"))
    polygons = tuple(polygon for one in geometries for polygon in _polygons(one, thing))
    if not polygons:
        raise DataError(thing, "holds no polygons", "Draw the area as polygons.")
    if chosen == LON_LAT:
        _check_degrees(polygons, thing, f"{option}_crs")
    return PolygonSet(polygons, chosen, str(path))


def parse_bounds(text: str, crs: str | None, option: str) -> PolygonSet | None:
    """Return the box of `WEST,SOUTH,EAST,NORTH`; None where the text is not four numbers.

    In longitude and latitude, which is meant without a CRS, a west that is east of the east crosses
    the antimeridian.

    Raises:
        ConfigurationError: If there is nothing between the bounds, or nearly all of the Earth.
    """
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        return None
    chosen = LON_LAT if crs is None else parse_crs(crs, f"{option}_crs")
    thing = f"{option} '{text}'"
    crosses = chosen == LON_LAT and west > east
    if not (west < east or crosses) or not south < north:
        raise ConfigurationError(
            thing, "there is nothing between these bounds", "The order is WEST,SOUTH,EAST,NORTH."
        )
    if crosses and east + 360.0 - west > _WIDEST:  # a swap, which would want all but what is meant
        raise ConfigurationError(
            thing,
            f"from west {west:.12g} eastwards to {east:.12g} it goes round nearly all of the Earth",
            "Swap them: the order is WEST,SOUTH,EAST,NORTH.",
        )
    spans = [(west, 180.0), (-180.0, east)] if crosses else [(west, east)]
    boxes = tuple((_box_ring(left, south, right, north),) for left, right in spans)
    if chosen == LON_LAT:
        _check_degrees(boxes, thing, f"{option}_crs")
    return PolygonSet(boxes, chosen, text)


def parse_crs(text: str, option: str) -> Any:
    """Return a coordinate reference system.

    Raises:
        ConfigurationError: If it is not known.
    """
    try:
        return CRS.from_user_input(text)
    except (CRSError, ValueError) as error:  # the second of EPSG:xyz
        raise ConfigurationError(
            option, f"{text!r} is not a known CRS", "Write it as EPSG:32633."
        ) from error


def mapped(ring: Ring, transform: Any) -> Ring:
    """Return points `(n, 2)` under an affine transformation."""
    x, y = ring[:, 0], ring[:, 1]
    return np.stack(
        [
            transform.a * x + transform.b * y + transform.c,
            transform.d * x + transform.e * y + transform.f,
        ],
        axis=1,
    )


def clipped(polygon: Polygon, box: Box) -> Polygon:
    """Cut off what lies outside a box; rings of which nothing is left are left out.

    Where they leave the box they follow its sides. After Sutherland and Hodgman, "Reentrant
    polygon clipping", 1974.
    """
    kept = []
    for ring in polygon:
        for axis, sign, limit in ((0, 1, box[0]), (1, 1, box[1]), (0, -1, box[2]), (1, -1, box[3])):
            ring = _half(ring, axis, sign, limit)
        if len(ring) > 2:
            kept.append(ring)
        elif not kept:
            break  # of the border nothing is left
    return tuple(kept)


def _half(ring: Ring, axis: int, sign: int, limit: float) -> Ring:
    """Return the part of a ring on one side of a limit."""
    if not len(ring):
        return ring
    depth = sign * (ring[:, axis] - limit)
    if (depth >= 0).all():
        return ring
    after, depth_after = np.roll(ring, -1, axis=0), np.roll(depth, -1)
    crossing = (depth >= 0) != (depth_after >= 0)
    share = np.divide(depth, depth - depth_after, out=np.zeros_like(depth), where=crossing)
    cut = ring + share[:, None] * (after - ring)
    cut[:, axis] = limit
    corners = np.stack([cut, after], axis=1)
    return corners[np.stack([crossing, depth_after >= 0], axis=1)]


def _read_geojson(path: Path, thing: str) -> tuple[list[Mapping[str, Any]], Any]:
    """Return the geometries, and the CRS where the file names it, as was allowed before 2016."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(thing, f"is not JSON ({error})", "Write the area as GeoJSON.") from error
    if not isinstance(content, Mapping) or "type" not in content:
        raise DataError(thing, "is not GeoJSON: it has no 'type'", "Write the area as GeoJSON.")
    name = ((content.get("crs") or {}).get("properties") or {}).get("name")
    features = content.get("features", [content])
    geometries = [feature.get("geometry", feature) for feature in features]
    crs = None if name is None else parse_crs(name, thing)
    return [geometry for geometry in geometries if geometry], crs


def _read_with_geopandas(path: Path, thing: str) -> tuple[list[Mapping[str, Any]], Any]:
    purpose = f"read polygons from {path.name}"
    geopandas = import_optional("geopandas", "vector", purpose)
    unreadable = import_optional("pyogrio.errors", "vector", purpose).DataSourceError
    read: Callable[[Path], Any] = geopandas.read_file
    if path.suffix.lower() in _PARQUET:
        import_optional("pyarrow.parquet", "vector", purpose)
        read = geopandas.read_parquet
    try:
        frame = read(path)
    except (unreadable, OSError, ValueError) as error:
        raise DataError(
            thing, f"cannot be read as polygons ({error})", "GeoJSON and GeoPackage will do."
        ) from error
    if "geometry" not in frame:
        raise DataError(thing, "holds no geometries", "Draw the area as polygons.")
    geometries = [one.__geo_interface__ for one in frame.geometry if one is not None]
    return geometries, None if frame.crs is None else CRS.from_wkt(frame.crs.to_wkt())


def _polygons(geometry: Mapping[str, Any], thing: str) -> Iterator[Polygon]:
    kind = geometry.get("type")
    if kind == "Polygon":
        rings = [_ring(points) for points in geometry["coordinates"]]
        if rings:
            yield tuple(rings)
    elif kind == "MultiPolygon":
        for rings in geometry["coordinates"]:
            yield tuple(_ring(points) for points in rings)
    elif kind == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from _polygons(part, thing)
    else:
        raise DataError(thing, f"holds a {kind}", "Draw the area as polygons, or buffer it.")


def _ring(points: Any) -> Ring:
    ring = np.array([point[:2] for point in points], dtype=np.float64)
    closed = len(ring) > 1 and np.array_equal(ring[0], ring[-1])
    return ring[:-1] if closed else ring


def _check_degrees(polygons: Iterable[Polygon], thing: str, crs_option: str) -> None:
    corners = np.concatenate([ring for polygon in polygons for ring in polygon])
    if not (np.abs(corners) <= (360.0, 90.0)).all():
        x, y = corners[~(np.abs(corners) <= (360.0, 90.0)).all(axis=1)][0]
        raise ConfigurationError(
            thing,
            f"{x:.12g},{y:.12g} is no longitude and latitude",
            f"Say what the coordinates are: --{crs_option} EPSG:CODE",
        )


def _box_ring(left: float, bottom: float, right: float, top: float) -> Ring:
    return np.array([(left, bottom), (right, bottom), (right, top), (left, top)], dtype=np.float64)


def _bounds(points: Ring) -> Box:
    left, bottom = points.min(axis=0)
    right, top = points.max(axis=0)
    return float(left), float(bottom), float(right), float(top)


def _windows(bounds: Box) -> list[Box]:
    """Return bounds with a margin; two of them on both sides of the antimeridian."""
    left, bottom, right, top = bounds
    if left > right:
        return [*_windows((left, bottom, 180.0, top)), *_windows((-180.0, bottom, right, top))]
    across, up = _MARGIN * (right - left), _MARGIN * (top - bottom)
    return [(left - across, bottom - up, right + across, top + up)]


def _densified(ring: Ring, piece: float) -> Ring:
    """Return a ring whose edges are no longer than a piece."""
    if not len(ring):
        return ring
    edges = np.roll(ring, -1, axis=0) - ring
    counts = np.clip(np.ceil(np.abs(edges).max(axis=1) / piece), 1, _MOST_PIECES).astype(int)
    edge = np.repeat(np.arange(len(ring)), counts)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    return ring[edge] + edges[edge] * (step / counts[edge])[:, None]


def _transformed(ring: Ring, source: Any, target: Any) -> Ring:
    return np.stack(transform_points(source, target, ring[:, 0], ring[:, 1])[:2], axis=1)
