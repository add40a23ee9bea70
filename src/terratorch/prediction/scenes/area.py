"""Which pixels of a scene are wanted: those within an area, and those that a mask leaves.

Masks are made for some rows at a time, always the same ones: what a tile is asked for and what is
written of it cannot differ.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.windows import Window

from terratorch.errors import ConfigurationError, DataError, MissingFileError
from terratorch.geo.polygons import PolygonSet, clipped, mapped, parse_bounds, read_polygons
from terratorch.geo.raster import open_raster, read_bands
from terratorch.geo.remote import parse_path
from terratorch.prediction.maps.writer import Georeference
from terratorch.tiles.plan import TilePlan

_ROWS = 256  # that are masked at once
_HELD = 4  # such masks are held
_STEM = "{stem}"
_APART = 0.1  # pixels that the corners of a mask may lie beside those of its scene

# Gives the `(n, W)` of the rows from the first to before the second.
MaskRows = Callable[[int, int], NDArray[np.bool_]]


class WantedPixels:
    """Which pixels of one scene are wanted; threads may share it.

    Args:
        height: Rows of the scene.
        width: Columns of the scene.
        masks: What each part of the wish leaves; a pixel is wanted by all of them.
    """

    def __init__(self, height: int, width: int, masks: list[MaskRows]) -> None:
        self.height, self.width = height, width
        self._masks = masks
        self._strips: OrderedDict[int, NDArray[np.bool_]] = OrderedDict()
        self._lock = Lock()

    def rows(self, begin: int, end: int) -> NDArray[np.bool_]:
        """Return the `(n, W)` of some rows."""
        parts = list(self._parts(begin, end))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def tiles(self, plan: TilePlan) -> NDArray[np.bool_]:
        """Return which tiles are wanted, by row and column: those that keep a wanted pixel."""
        wanted = np.zeros((len(plan.rows), len(plan.columns)), bool)
        for row in range(len(plan.rows)):
            by_rows: dict[tuple[int, int], NDArray[np.bool_]] = {}
            for tile in plan.tile_row(row):
                top, bottom, left, right = tile.kept
                if (top, bottom) not in by_rows:
                    by_rows[top, bottom] = self._columns(top, bottom)
                wanted[row, tile.column] = by_rows[top, bottom][left:right].any()
        return wanted

    def _columns(self, begin: int, end: int) -> NDArray[np.bool_]:
        """Return which columns hold a wanted pixel in some rows, `(W,)`."""
        wanted = np.zeros(self.width, bool)
        for part in self._parts(begin, end):
            wanted |= part.any(axis=0)
        return wanted

    def _parts(self, begin: int, end: int) -> Iterator[NDArray[np.bool_]]:
        for first in range(begin - begin % _ROWS, end, _ROWS):
            yield self._strip(first)[max(begin - first, 0) : end - first]

    def _strip(self, begin: int) -> NDArray[np.bool_]:
        with self._lock:
            strip = self._strips.get(begin)
            if strip is None:
                end = min(begin + _ROWS, self.height)
                strip = np.logical_and.reduce([mask(begin, end) for mask in self._masks])
                self._strips[begin] = strip
                if len(self._strips) > _HELD:
                    self._strips.popitem(last=False)
            return strip


@dataclass(frozen=True)
class Limits:
    """What is wanted of scenes.

    Attributes:
        area: Pixels whose centre lies in one of the polygons; None for all.
        mask: A raster on the grid of the scene, a folder with one of the same name for each, or a
            path with `{stem}`; pixels that are not 0 and not nodata. None for all.
    """

    area: PolygonSet | None = None
    mask: str | None = None

    @classmethod
    def given(
        cls, area: str | None, area_crs: str | None = None, mask: str | None = None
    ) -> Limits | None:
        """Read what the options `area`, `area_crs` and `valid_mask` say; None where they do not.

        Args:
            area: A file of polygons, or `WEST,SOUTH,EAST,NORTH`.
            area_crs: The CRS of these; longitude and latitude where None.
            mask: See above.

        Raises:
            TerraTorchError: If one of them cannot be used.
        """
        if area is None and area_crs is not None:
            raise ConfigurationError("area_crs", "is given without area", "Give both.")
        if mask is not None and _STEM not in mask and not Path(mask).exists():
            raise MissingFileError(
                f"valid_mask '{mask}'",
                "does not exist",
                f"Give a raster, a folder of them, or a path with {_STEM} for the scene's name.",
            )
        if area is None:
            return None if mask is None else cls(None, mask)
        polygons = parse_bounds(area, area_crs, "area") or read_polygons(
            Path(area), area_crs, "area"
        )
        return cls(polygons, mask)

    @property
    def name(self) -> str:
        """What tells maps within these limits from others."""
        digest = hashlib.sha256(repr(self.mask).encode())
        if self.area is not None:
            digest.update(self.area.crs.to_string().encode())
            for polygon in self.area.polygons:
                for ring in polygon:
                    digest.update(repr(len(ring)).encode() + ring.tobytes())
        return digest.hexdigest()

    def of(self, reference: Georeference) -> WantedPixels:
        """Return which pixels of a scene are wanted.

        Raises:
            DataError: If it is not known where the area lies in the scene, or a mask does not fit.
        """
        masks: list[MaskRows] = []
        if self.area is not None:
            masks.append(_area_rows(self.area, reference))
        mask = self.mask_of(reference.path)
        if mask is not None:
            masks.append(_file_rows(mask, reference))
        return WantedPixels(reference.height, reference.width, masks)

    def mask_of(self, scene: str | Path) -> Path | None:
        """Return the file that masks a scene; None where there are no masks.

        Raises:
            MissingFileError: If there is none.
        """
        if self.mask is None:
            return None
        of_scene = parse_path(str(scene))
        path = Path(self.mask.replace(_STEM, of_scene.stem))
        if path.is_dir():
            path = path / of_scene.name
        if not path.exists():
            raise MissingFileError(
                str(scene),
                f"its mask {path} does not exist",
                f"Name masks like their scenes, or write valid_mask with {_STEM}.",
            )
        return path


def _area_rows(area: PolygonSet, reference: Georeference) -> MaskRows:
    if reference.crs is None or reference.transform is None:
        raise DataError(
            reference.path,
            "it is not georeferenced, so that it is not known where the area lies in it",
            "Give a mask on its grid instead: --valid_mask FILE",
        )
    height, width = reference.height, reference.width
    polygons = area.on_grid(reference.crs, reference.transform, height, width)

    def rows(begin: int, end: int) -> NDArray[np.bool_]:
        # Cut off outside these rows, with room for the rules of pixels at a border.
        box = (-2.0, begin - 2.0, width + 2.0, end + 2.0)
        near = [rings for polygon in polygons if (rings := clipped(polygon, box))]
        if not near:
            return np.zeros((end - begin, width), bool)
        burnt = rasterize(
            [_geometry(rings) for rings in near],
            out_shape=(end - begin, width),
            transform=Affine.translation(0, begin),
            dtype="uint8",
        )
        return burnt != 0

    return rows


def _geometry(rings: tuple[NDArray[np.float64], ...]) -> dict[str, Any]:
    closed = [np.concatenate([ring, ring[:1]]).tolist() for ring in rings]
    return {"type": "Polygon", "coordinates": closed}


def _file_rows(path: Path, reference: Georeference) -> MaskRows:
    _check_grid(path, Georeference.of(path), reference)

    def rows(begin: int, end: int) -> NDArray[np.bool_]:
        with open_raster(path) as dataset:
            raster = read_bands(dataset, [1], Window(0, begin, reference.width, end - begin))
        wanted: NDArray[np.bool_] = raster.data[0] != 0
        return wanted if raster.invalid is None else wanted & ~raster.invalid[0]

    return rows


def _check_grid(path: Path, mask: Georeference, scene: Georeference) -> None:
    thing = f"valid_mask '{path}'"
    cure = "Warp the mask onto the grid of the scene."
    if (mask.height, mask.width) != (scene.height, scene.width):
        raise DataError(
            thing,
            f"has {mask.height} x {mask.width} pixels, the scene {scene.path} "
            f"{scene.height} x {scene.width}",
            cure,
        )
    if mask.transform is None or scene.transform is None:
        return
    corners = np.array([(0.0, 0.0), (scene.width, 0.0), (0.0, scene.height)])
    moved = mapped(mapped(corners, mask.transform), ~scene.transform) - corners
    if mask.crs != scene.crs or np.abs(moved).max() > _APART:
        raise DataError(thing, f"lies elsewhere than the scene {scene.path}", cure)
