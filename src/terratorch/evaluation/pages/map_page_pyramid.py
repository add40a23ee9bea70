"""A tile pyramid of a large raster, built in one pass with a few rows of tiles in memory."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from terratorch.evaluation.pages.map_page_layers import TILE, PageLayer, Pixels

_SAMPLES = 12  # tiles from which the size of a page is estimated


@dataclass
class PyramidLevel:
    """One resolution of a pyramid.

    Attributes:
        width: Pixels.
        height: Pixels.
        tiles: Rows of tiles in base64, None for an invisible tile.
    """

    width: int
    height: int
    tiles: list[list[str | None]] = field(default_factory=list)


@dataclass(frozen=True)
class Pyramid:
    """A raster at several resolutions.

    Attributes:
        levels: Each at half the resolution of the one before; the last is one tile.
        counts: Number of pixels of the finest level with each index, `(256,)`.
    """

    levels: list[PyramidLevel]
    counts: NDArray[np.int64]

    @property
    def size(self) -> int:
        """The bytes of the tiles in a page."""
        return sum(
            len(tile) for level in self.levels for row in level.tiles for tile in row if tile
        )


@dataclass(frozen=True)
class TileGrid:
    """How a raster is divided into tiles.

    Attributes:
        height: Height of the raster.
        width: Width of the raster.
        step: Pixels of the raster per pixel of the finest level, a power of two.
    """

    height: int
    width: int
    step: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the finest level."""
        return ceil(self.height / self.step), ceil(self.width / self.step)

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles of the finest level."""
        height, width = self.shape
        return ceil(height / TILE), ceil(width / TILE)

    def part(self, row: int, columns: slice) -> tuple[Window, tuple[int, int]]:
        """Return the window of a row of tiles, and its height and width in pixels of the level."""
        height, width = self.shape
        top, bottom = row * TILE, min((row + 1) * TILE, height)
        left, right = columns.start * TILE, min(columns.stop * TILE, width)
        window = Window(
            left * self.step,
            top * self.step,
            min(right * self.step, self.width) - left * self.step,
            min(bottom * self.step, self.height) - top * self.step,
        )
        return window, (bottom - top, right - left)


def build_pyramids(
    layers: Sequence[PageLayer], height: int, width: int, budget: int
) -> tuple[list[Pyramid], int]:
    """Build a pyramid of each layer, at the best resolution that fits a budget.

    Args:
        layers: Rasters of the same size.
        height: Their height.
        width: Their width.
        budget: Bytes for the tiles of all layers; each layer has at least one tile.

    Returns:
        The pyramids, and the pixels of the raster per pixel of their finest level.
    """
    grid = TileGrid(height, width, 1)
    while True:
        coarsest = grid.tiles == (1, 1)
        if coarsest or sum(estimated_size(layer, grid) for layer in layers) <= budget:
            pyramids = [build_pyramid(layer, grid) for layer in layers]
            if coarsest or sum(pyramid.size for pyramid in pyramids) <= budget:
                return pyramids, grid.step
        grid = TileGrid(height, width, grid.step * 2)


def estimated_size(layer: PageLayer, grid: TileGrid) -> float:
    """Estimate the bytes of a pyramid from a few tiles."""
    rows, columns = grid.tiles
    places = np.unique(np.linspace(0, rows * columns - 1, _SAMPLES).round().astype(int))
    sizes = []
    for row, column in (divmod(int(place), columns) for place in places):
        pixels = layer.read(*grid.part(row, slice(column, column + 1)))
        sizes.append(len(layer.encode(pixels) or b""))
    # The coarser levels add a third, and so does base64.
    return float(np.mean(sizes)) * rows * columns * 4 / 3 * 4 / 3


def build_pyramid(layer: PageLayer, grid: TileGrid) -> Pyramid:
    """Build the pyramid of a layer, row of tiles by row of tiles."""
    height, width = grid.shape
    counts = np.zeros(256, np.int64)
    with ThreadPoolExecutor() as pool:  # compression releases the GIL
        finest = _Stage(layer, pool, height, width)
        rows, columns = grid.tiles
        for row in range(rows):
            strip = layer.read(*grid.part(row, slice(0, columns)))
            if strip.ndim == 2:
                counts += np.bincount(strip.ravel(), minlength=256)
            finest.add(strip)
    return Pyramid([stage.level for stage in finest.chain()], counts)


class _Stage:
    """Builds a level: cuts strips into tiles, and passes pairs of strips on at half the size."""

    def __init__(self, layer: PageLayer, pool: ThreadPoolExecutor, height: int, width: int) -> None:
        self.level = PyramidLevel(width, height)
        self._layer, self._pool = layer, pool
        self._waiting: list[Pixels] = []
        self._last_row = ceil(height / TILE) - 1
        self._next = None
        if max(height, width) > TILE:
            self._next = _Stage(layer, pool, ceil(height / 2), ceil(width / 2))

    def chain(self) -> Iterator[_Stage]:
        yield self
        if self._next is not None:
            yield from self._next.chain()

    def add(self, strip: Pixels) -> None:
        """Add the next `TILE` rows, or the remaining ones."""
        is_last = len(self.level.tiles) == self._last_row
        cut = [strip[:, left : left + TILE] for left in range(0, self.level.width, TILE)]
        tiles = self._pool.map(self._layer.encode, cut)
        self.level.tiles.append(
            [None if tile is None else base64.b64encode(tile).decode() for tile in tiles]
        )
        if self._next is None:
            return
        self._waiting.append(strip)
        if len(self._waiting) == 2 or is_last:
            self._next.add(self._layer.halve(_even(np.concatenate(self._waiting))))
            self._waiting = []


def _even(pixels: Pixels) -> Pixels:
    """Repeat the last row and column if their number is odd."""
    odd = [(0, size % 2) for size in pixels.shape[:2]]
    return np.pad(pixels, odd + [(0, 0)] * (pixels.ndim - 2), mode="edge")
