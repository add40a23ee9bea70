"""Positions of the tiles of a scene: pure integers.

Positions count pixels of the scene. A tile may reach beyond the scene where padding fills it up. Of
its prediction `delta` pixels are dropped along each side; what is kept covers the scene.
"""

from __future__ import annotations

import logging
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

from terratorch.logs import warn_once
from terratorch.tiles.parameters import TiledInferenceParameters

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Axis:
    """The tiles along one side of a scene.

    Attributes:
        length: Pixels of the scene.
        crop: Pixels of a tile.
        stride: Pixels from one tile to the next, but for the last, which ends where the scene ends.
        delta: Pixels that are dropped at both ends of a tile's prediction.
        padded: Whether tiles reach `delta` pixels beyond the scene.
        starts: Where each tile begins, ascending.
        regular: How many of them are a whole number of strides from the first.
    """

    length: int
    crop: int
    stride: int
    delta: int
    padded: bool
    starts: tuple[int, ...]
    regular: int

    def __len__(self) -> int:
        return len(self.starts)

    def scaled(self, factor: int) -> Axis:
        """Return the tiles in pixels that are smaller by a factor."""
        return replace(
            self,
            length=self.length * factor,
            crop=self.crop * factor,
            stride=self.stride * factor,
            delta=self.delta * factor,
            starts=tuple(start * factor for start in self.starts),
        )

    def is_border(self, index: int) -> bool:
        """Whether it is the first or the last tile."""
        return index in (0, len(self) - 1)

    def kept(self, index: int, trim: int) -> tuple[int, int]:
        """Return begin and end of what is kept of a tile when `trim` is dropped at both ends."""
        start = self.starts[index]
        return max(start + trim, 0), min(start + self.crop - trim, self.length)

    def reached(self, index: int, trim: int) -> int:
        """Return the end of what is kept of the tiles before."""
        return self.kept(index - 1, trim)[1] if index else 0

    def overlapping(self, index: int) -> range:
        """Return the tiles that share a pixel with a tile, itself included."""
        start = self.starts[index]
        return range(
            bisect_right(self.starts, start - self.crop),
            bisect_left(self.starts, start + self.crop),
        )


@dataclass(frozen=True)
class Tile:
    """A piece of a scene: what the model sees, and what is kept of its prediction.

    Attributes:
        row: Index of its row of tiles.
        column: Index of its column of tiles.
        top: First row of pixels that it sees; negative where padding comes first.
        left: First column of pixels that it sees.
        height: Rows that it sees.
        width: Columns that it sees.
        trim: Pixels that are dropped along its sides.
        kept: `(top, bottom, left, right)` of what is kept, in the scene.
        fresh: Row and column of the scene from which, within what is kept, no earlier tile has
            pixels; before them, earlier tiles cover everything. Only of plans that are `even`.
    """

    row: int
    column: int
    top: int
    left: int
    height: int
    width: int
    trim: int
    kept: tuple[int, int, int, int]
    fresh: tuple[int, int]

    def scaled(self, factor: int) -> Tile:
        """Return the tile in pixels that are smaller by a factor."""
        top, bottom, left, right = (side * factor for side in self.kept)
        return replace(
            self,
            top=self.top * factor,
            left=self.left * factor,
            height=self.height * factor,
            width=self.width * factor,
            trim=self.trim * factor,
            kept=(top, bottom, left, right),
            fresh=(self.fresh[0] * factor, self.fresh[1] * factor),
        )

    def local(self) -> tuple[slice, slice]:
        """Return what is kept as slices of the tile."""
        top, bottom, left, right = self.kept
        return (
            slice(top - self.top, bottom - self.top),
            slice(left - self.left, right - self.left),
        )


@dataclass(frozen=True)
class TilePlan:
    """The tiles of a scene, as the rows and columns of a grid."""

    rows: Axis
    columns: Axis

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def even(self) -> bool:
        """Whether as much is dropped of each tile, so that what is kept forms a grid."""
        return self.rows.padded or len(self) == 1 or self.rows.delta == self.columns.delta == 0

    @property
    def tile_size(self) -> tuple[int, int]:
        """Height and width of what the model sees of each tile."""
        return self.rows.crop, self.columns.crop

    def scaled(self, factor: int) -> TilePlan:
        """Return the plan in pixels that are smaller by a factor."""
        return TilePlan(self.rows.scaled(factor), self.columns.scaled(factor))

    def is_whole(self, row: int, column: int) -> bool:
        """Whether nothing is dropped of a tile: of border tiles without padding around them."""
        border = self.rows.is_border(row) or self.columns.is_border(column)
        return border and not self.rows.padded

    def tile(self, row: int, column: int) -> Tile:
        """Return the tile at a place of the grid."""
        trim = 0 if self.is_whole(row, column) else self.rows.delta
        return Tile(
            row=row,
            column=column,
            top=self.rows.starts[row],
            left=self.columns.starts[column],
            height=self.rows.crop,
            width=self.columns.crop,
            trim=trim,
            kept=(*self.rows.kept(row, trim), *self.columns.kept(column, trim)),
            fresh=(self.rows.reached(row, trim), self.columns.reached(column, trim)),
        )

    def tile_row(self, row: int) -> Iterator[Tile]:
        """Yield the tiles of a row of tiles, by column."""
        return (self.tile(row, column) for column in range(len(self.columns)))

    def finished(self, row: int) -> int:
        """Return how many rows of pixels no tile touches any more once a row of tiles is done.

        Args:
            row: The row of tiles; -1 before the first.
        """
        if row + 1 == len(self.rows):
            return self.rows.length
        return max(self.rows.starts[row + 1] + (self.rows.delta if self.rows.padded else 0), 0)


def plan_tiles(height: int, width: int, parameters: TiledInferenceParameters) -> TilePlan:
    """Plan the tiles of a scene.

    A scene that fits in a tile is one tile of the scene's size. Otherwise tiles begin `delta`
    pixels before the scene (at it, without padding), every stride, and the last ends as far behind
    it. Where a side is shorter than a tile, padding fills the tile up; without padding, the tile is
    as short as the scene.

    A `delta` that would cause gaps at this stride is lowered, with a warning.

    Args:
        height: Rows of pixels of the scene.
        width: Columns of pixels of the scene.
        parameters: Checked parameters (see `TiledInferenceParameters.check`).
    """
    h_crop, w_crop = parameters.h_crop, parameters.w_crop
    delta = _closing_delta(
        h_crop, parameters.h_stride, w_crop, parameters.w_stride, parameters.delta
    )
    padded = parameters.padding_mode is not None and (height > h_crop or width > w_crop)
    return TilePlan(
        rows=_axis(height, h_crop, parameters.h_stride, delta, padded),
        columns=_axis(width, w_crop, parameters.w_stride, delta, padded),
    )


def _closing_delta(h_crop: int, h_stride: int, w_crop: int, w_stride: int, delta: int) -> int:
    most = min((h_crop - h_stride) // 2, (w_crop - w_stride) // 2)
    if delta <= most:
        return delta
    warn_once(
        logger,
        "tiled_inference_parameters.delta: %d would cause gaps at a stride of %d x %d and a crop "
        "of %d x %d; using %d. A smaller stride keeps more of the context.",
        delta,
        h_stride,
        w_stride,
        h_crop,
        w_crop,
        most,
        key=(h_crop, h_stride, w_crop, w_stride, delta),
    )
    return most


def _axis(length: int, crop: int, stride: int, delta: int, padded: bool) -> Axis:
    if padded:
        first, last = -delta, max(length + delta - crop, -delta)
        regular = list(range(first, last, stride))
    else:
        if length <= crop:
            crop, delta = length, 0
        first, last = 0, length - crop
        # The last tile is kept whole, so that it takes the place of a regular one close before it.
        regular = [start for start in range(0, last, stride) if start == 0 or start < last - delta]
    starts = (*regular, last)
    return Axis(
        length=length,
        crop=crop,
        stride=stride,
        delta=delta,
        padded=padded,
        starts=starts,
        regular=len(regular) + ((last - first) % stride == 0),
    )
