"""Cut the tiles of scenes into segments that run apart and come out as within the whole.

The engine takes the tiles of all scenes one after the other, and a batch may span scenes. The
values of a tile may depend, in their last bits, on the batch that it is in. So a segment holds,
besides the rows that are wanted of it, the tiles that fill its first and last batch as in a run of
all scenes. Pure integers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from terratorch.tiles.plan import TilePlan

# Rows of tiles of a part of a scene, at least: the row before runs again in each part, as far as
# the two overlap, so that at most a quarter runs twice.
_LEAST_ROWS = 4


@dataclass(frozen=True)
class Part:
    """What a segment takes of a scene.

    Attributes:
        scene: Index of the scene.
        begin: The first row of pixels that is wanted.
        end: The row behind the last; the same as `begin` where tiles only fill batches.
        first: The first tile that goes through the engine, counted along the rows of tiles.
        stop: The tile behind the last.
    """

    scene: int
    begin: int
    end: int
    first: int
    stop: int

    @property
    def is_wanted(self) -> bool:
        """Whether any row is."""
        return self.end > self.begin


@dataclass(frozen=True)
class Segment:
    """Parts of scenes that follow each other, and run together.

    Attributes:
        parts: The parts, in the order of the scenes.
        tiles: How many tiles are done with it: each tile belongs to one segment, though it may run
            in two.
    """

    parts: tuple[Part, ...]
    tiles: int


class Extent:
    """The tiles of a scene that are wanted, and the rows.

    Args:
        plan: All tiles.
        begin: The first row of pixels that is wanted.
        wanted: Which tiles are, by row and column; None for all.
    """

    def __init__(
        self, plan: TilePlan, begin: int = 0, wanted: NDArray[np.bool_] | None = None
    ) -> None:
        self.plan, self.begin = plan, begin
        self.height, self.width = plan.rows.length, plan.columns.length
        self._places = None if wanted is None else np.flatnonzero(wanted)
        self.count = len(plan) if self._places is None else len(self._places)

    @property
    def tile_size(self) -> tuple[int, int]:
        """Height and width of each tile."""
        return self.plan.rows.crop, self.plan.columns.crop

    def place(self, number: int) -> int:
        """Return where in the grid, counted along its rows, one of the wanted tiles lies."""
        return number if self._places is None else int(self._places[number])

    def tiles_for(self, begin: int, end: int) -> range:
        """Return the wanted tiles, by number, in the rows of tiles that touch rows of pixels."""
        # Tiles at the border keep most where there is no padding.
        return self._touching(begin, end, self.plan.rows.delta if self.plan.rows.padded else 0)

    def has_tiles(self, begin: int, end: int) -> bool:
        """Whether a wanted tile touches rows of pixels for sure, whatever is dropped of it."""
        return len(self._touching(begin, end, self.plan.rows.delta)) > 0

    def done_with(self, begin: int, end: int) -> int:
        """Return how many wanted tiles are done with rows of pixels, but not before them."""
        rows = range(len(self.plan.rows))
        first, stop = (bisect_right(rows, row, key=self.plan.finished) for row in (begin, end))
        return len(self._numbers(first, stop))

    def cuts(self) -> list[int]:
        """Return the rows of pixels that the scene may be cut at; the last is its end."""
        ends = (self.plan.finished(row) for row in range(len(self.plan.rows)))
        return [end for end in ends if end > self.begin]

    def _touching(self, begin: int, end: int, trim: int) -> range:
        axis = self.plan.rows
        rows = range(len(axis))
        first = bisect_right(rows, begin, key=lambda row: axis.kept(row, trim)[1])
        stop = bisect_left(rows, end, key=lambda row: axis.kept(row, trim)[0])
        return self._numbers(first, max(stop, first))

    def _numbers(self, first_row: int, stop_row: int) -> range:
        columns = len(self.plan.columns)
        if self._places is None:
            return range(first_row * columns, stop_row * columns)
        places = (first_row * columns, stop_row * columns)
        first, stop = (int(number) for number in np.searchsorted(self._places, places))
        return range(first, stop)


Span = tuple[int, int, int]  # scene, first row of pixels, the row behind the last


def cut(
    scenes: Sequence[Extent],
    batch_size: int,
    tiles: int,
    pixels: int,
    least_rows: int = _LEAST_ROWS,
) -> list[Segment]:
    """Cut scenes into segments that cover every row of pixels once, in order.

    Args:
        scenes: The scenes, in the order in which the engine takes them.
        batch_size: Tiles in a batch of the engine.
        tiles: A segment ends when it has so many tiles.
        pixels: It ends when it has so many pixels as well.
        least_rows: Rows of tiles that a part of a scene has, unless the scene ends before.
    """
    streams = _Streams(scenes, batch_size)
    return [
        Segment(
            streams.parts(spans),
            sum(scenes[scene].done_with(begin, end) for scene, begin, end in spans),
        )
        for spans in _spans(scenes, tiles, pixels, least_rows)
    ]


def _spans(scenes: Sequence[Extent], tiles: int, pixels: int, least_rows: int) -> list[list[Span]]:
    """Return the rows of each segment."""
    segments: list[list[Span]] = [[]]
    tiles_before = pixels_before = 0  # in the segment, of other scenes
    for index, scene in enumerate(scenes):
        begin, rows = scene.begin, 0
        for end in scene.cuts():
            rows += 1
            count = tiles_before + scene.done_with(begin, end)
            area = pixels_before + (end - begin) * scene.width
            full = count >= tiles or area >= pixels
            at_end = end == scene.height
            if full and not at_end:
                full = (
                    rows >= least_rows
                    # A part without a tile would give no rows.
                    and scene.has_tiles(begin, end)
                    and scene.has_tiles(end, scene.height)
                )
            if not full and not at_end:
                continue
            segments[-1].append((index, begin, end))
            begin, rows = end, 0
            tiles_before, pixels_before = count, area
            if full:
                segments.append([])
                tiles_before = pixels_before = 0
    return [spans for spans in segments if spans]


class _Streams:
    """Finds the tiles that fill batches: a batch holds tiles of one size that follow each other."""

    def __init__(self, scenes: Sequence[Extent], batch_size: int) -> None:
        self.scenes, self.batch_size = scenes, batch_size
        # Where among the tiles of one size each scene begins, and how many these are.
        self.before = [0] * len(scenes)
        for index, (last, scene) in enumerate(pairwise(scenes), start=1):
            if scene.tile_size == last.tile_size:
                self.before[index] = self.before[index - 1] + last.count

    def parts(self, spans: Sequence[Span]) -> tuple[Part, ...]:
        """Return the parts of a segment, with the scenes before and behind that fill batches."""
        rows = {scene: (begin, end) for scene, begin, end in spans}
        (first, *_), (last, *_) = spans[0], spans[-1]
        start = self.before[first] + self.scenes[first].tiles_for(*rows[first]).start
        stop = self.before[last] + self.scenes[last].tiles_for(*rows[last]).stop
        start -= start % self.batch_size
        stop += -stop % self.batch_size
        low, high = first, last
        while self.before[low] > start:
            low -= 1
        while self._is_next(high) and self.before[high + 1] < stop:
            high += 1
        parts = []
        for index in range(low, high + 1):
            scene, before = self.scenes[index], self.before[index]
            begin = max(start - before, 0) if index <= first else 0
            end = min(stop - before, scene.count) if index >= last else scene.count
            if begin < end:
                places = scene.place(begin), scene.place(end - 1) + 1
                parts.append(Part(index, *rows.get(index, (0, 0)), *places))
        return tuple(parts)

    def _is_next(self, index: int) -> bool:
        """Whether the tiles of the scene behind go on with the batches of this one."""
        return index + 1 < len(self.scenes) and self.before[index + 1] > 0
