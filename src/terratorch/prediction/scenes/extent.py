"""Which tiles of a scene are needed for which of its rows of pixels. Pure integers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terratorch.tiles.plan import TilePlan


@dataclass(frozen=True)
class RowBand:
    """Rows of pixels of a scene, and the tiles that run for them.

    Attributes:
        begin: The first row.
        end: The row behind the last.
        first: The first tile, counted along the rows of tiles.
        stop: The tile behind the last.
    """

    begin: int
    end: int
    first: int
    stop: int


class Extent:
    """The selected tiles of a scene, and its rows from the first that is not predicted yet.

    Args:
        plan: All tiles.
        begin: The first row of pixels to predict.
        selected: Which tiles are selected, by row and column; None for all.
    """

    def __init__(
        self, plan: TilePlan, begin: int = 0, selected: NDArray[np.bool_] | None = None
    ) -> None:
        self.plan, self.begin = plan, begin
        self.height, self.width = plan.rows.length, plan.columns.length
        self._places = None if selected is None else np.flatnonzero(selected)
        self.count = len(plan) if self._places is None else len(self._places)

    def band(self, begin: int, end: int, batch_size: int = 1) -> RowBand:
        """Return rows with the tiles that touch them.

        Args:
            begin: The first row.
            end: The row behind the last.
            batch_size: With the tiles before that fill up the first batch of this size, so that
                the rows are the same as in a run of the whole scene, to the last bit.
        """
        tiles = self.tiles_for(begin, end)
        first = tiles.start - tiles.start % batch_size
        return RowBand(begin, end, self._place(first), self._place(tiles.stop - 1) + 1)

    def tiles_for(self, begin: int, end: int) -> range:
        """Return the selected tiles, by number, in the rows of tiles that touch rows of pixels."""
        # Tiles at the border keep most without padding.
        return self._touching(begin, end, self.plan.rows.delta if self.plan.rows.padded else 0)

    def has_tiles(self, begin: int, end: int) -> bool:
        """Return whether a selected tile touches rows of pixels, whatever is dropped of it."""
        return len(self._touching(begin, end, self.plan.rows.delta)) > 0

    def count_finished(self, begin: int, end: int) -> int:
        """Return how many selected tiles are finished with rows of pixels, but not before them."""
        rows = range(len(self.plan.rows))
        first, stop = (bisect_right(rows, row, key=self.plan.finished) for row in (begin, end))
        return len(self._numbers(first, stop))

    def cuts(self) -> list[int]:
        """Return the rows of pixels where the scene can be cut; the last is its end."""
        ends = (self.plan.finished(row) for row in range(len(self.plan.rows)))
        return [end for end in ends if end > self.begin]

    def _place(self, number: int) -> int:
        """Return the position in the grid, counted along its rows, of a selected tile."""
        return number if self._places is None else int(self._places[number])

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
