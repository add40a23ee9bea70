"""Which pixels of a scene are predicted: those within an area and a mask.

Masks are made for some rows at a time, always the same ones, so that the rows that tiles are
selected by and the rows that are written agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.windows import Window

from terratorch.errors import ConfigurationError, DataError, MissingFileError
from terratorch.geo.area import AreaOfInterest, covered_rows, parse_bounds, read_area
from terratorch.geo.grid import PixelGrid
from terratorch.geo.raster import open_raster, read_bands
from terratorch.geo.remote import parse_path
from terratorch.prediction.maps.writer import Georeference
from terratorch.tiles.plan import TilePlan

_ROWS = 256  # that are masked at once
_CACHED = 4  # such masks are kept
_STEM = "{stem}"
_TOLERANCE = 0.1  # pixels that the corners of a mask may differ from those of its scene

# Returns the mask of the rows from the first to before the second, `(n, W)`.
MaskRows = Callable[[int, int], NDArray[np.bool_]]


class SelectedPixels:
    """Which pixels of one scene are predicted; threads may share it.

    Args:
        height: Rows of the scene.
        width: Columns of the scene.
        masks: A pixel is selected if all of them contain it.
    """

    def __init__(self, height: int, width: int, masks: list[MaskRows]) -> None:
        self.height, self.width = height, width
        self._masks = masks
        self._strip = lru_cache(_CACHED)(self._read_strip)

    def rows(self, begin: int, end: int) -> NDArray[np.bool_]:
        """Return the mask of some rows, `(n, W)`."""
        return np.concatenate(
            [
                self._strip(first)[max(begin - first, 0) : end - first]
                for first in range(begin - begin % _ROWS, end, _ROWS)
            ]
        )

    def tiles(self, plan: TilePlan) -> NDArray[np.bool_]:
        """Return which tiles keep a selected pixel, by row and column."""
        selected = np.zeros((len(plan.rows), len(plan.columns)), bool)
        for row in range(len(plan.rows)):
            columns = lru_cache(lambda top, bottom: np.logical_or.reduce(self.rows(top, bottom)))
            for tile in plan.tile_row(row):
                top, bottom, left, right = tile.kept
                selected[row, tile.column] = columns(top, bottom)[left:right].any()
        return selected

    def _read_strip(self, begin: int) -> NDArray[np.bool_]:
        end = min(begin + _ROWS, self.height)
        strip: NDArray[np.bool_] = np.logical_and.reduce([mask(begin, end) for mask in self._masks])
        return strip


@dataclass(frozen=True)
class Limits:
    """What is predicted of scenes.

    Attributes:
        area: Selects pixels whose centre is in one of its polygons; None selects all.
        mask: A raster on the grid of the scene, a folder with one of the same name for each scene,
            or a path with `{stem}`; selects pixels other than 0 and nodata. None selects all.
    """

    area: AreaOfInterest | None = None
    mask: str | None = None

    @classmethod
    def from_options(
        cls, area: str | None, area_crs: str | None = None, mask: str | None = None
    ) -> Limits | None:
        """Read the options `area`, `area_crs` and `valid_mask`; None if they select all.

        Args:
            area: A file of polygons, or `WEST,SOUTH,EAST,NORTH`.
            area_crs: The CRS of these; longitude and latitude if None.
            mask: See above.

        Raises:
            TerraTorchError: If one of them cannot be used.
        """
        if area is None and area_crs is not None:
            raise ConfigurationError("area_crs", "is set without area", "Set both.")
        if mask is not None and _STEM not in mask and not Path(mask).exists():
            raise MissingFileError(
                f"valid_mask '{mask}'",
                "does not exist",
                f"Give a raster, a folder of them, or a path with {_STEM} for the scene's name.",
            )
        if area is None:
            return None if mask is None else cls(None, mask)
        bounds = parse_bounds(area, area_crs, "area")
        return cls(bounds or read_area(Path(area), area_crs, "area"), mask)

    @property
    def name(self) -> str:
        """A hash of the limits, by which maps of different limits are distinguished."""
        digest = hashlib.sha256(repr(self.mask).encode())
        if self.area is not None:
            digest.update(self.area.crs.to_string().encode())
            digest.update(shapely.to_wkb(shapely.MultiPolygon(self.area.polygons)))
        return digest.hexdigest()

    def of(self, reference: Georeference) -> SelectedPixels:
        """Return which pixels of a scene are selected.

        Raises:
            DataError: If the scene is not georeferenced, or a mask does not fit.
        """
        masks: list[MaskRows] = []
        if self.area is not None:
            masks.append(_area_rows(self.area, reference))
        mask = self.mask_of(reference.path)
        if mask is not None:
            masks.append(_file_rows(mask, reference))
        return SelectedPixels(reference.height, reference.width, masks)

    def mask_of(self, scene: str | Path) -> Path | None:
        """Return the file that masks a scene; None without masks.

        Raises:
            MissingFileError: If it does not exist.
        """
        if self.mask is None:
            return None
        scene_path = parse_path(str(scene))
        path = Path(self.mask.replace(_STEM, scene_path.stem))
        if path.is_dir():
            path = path / scene_path.name
        if not path.exists():
            raise MissingFileError(
                str(scene),
                f"its mask {path} does not exist",
                f"Name masks like their scenes, or write valid_mask with {_STEM}.",
            )
        return path


def _area_rows(area: AreaOfInterest, reference: Georeference) -> MaskRows:
    grid = reference.grid
    if not grid.is_georeferenced:
        raise DataError(
            reference.path,
            "it is not georeferenced, so that the area cannot be located in it",
            "Give a mask on its grid instead: --valid_mask FILE",
        )
    polygons = area.on_grid(grid)
    return lambda begin, end: covered_rows(polygons, begin, end, grid.width)


def _file_rows(path: Path, reference: Georeference) -> MaskRows:
    with open_raster(path) as dataset:
        _check_grid(path, PixelGrid.of(dataset), reference)

    def rows(begin: int, end: int) -> NDArray[np.bool_]:
        with open_raster(path) as dataset:
            raster = read_bands(dataset, [1], Window(0, begin, reference.width, end - begin))
        selected: NDArray[np.bool_] = (raster.data[0] != 0) & raster.valid
        return selected

    return rows


def _check_grid(path: Path, mask: PixelGrid, reference: Georeference) -> None:
    subject, scene = f"valid_mask '{path}'", reference.grid
    cure = "Warp the mask onto the grid of the scene."
    if (mask.height, mask.width) != (scene.height, scene.width):
        raise DataError(
            subject,
            f"has {mask.height} x {mask.width} pixels, the scene {reference.path} "
            f"{scene.height} x {scene.width}",
            cure,
        )
    if mask.transform.is_identity or scene.transform.is_identity:
        return
    if not scene.covers_same_area(mask, _TOLERANCE):
        raise DataError(subject, f"covers another area than the scene {reference.path}", cure)
