"""One scene on its way through the engine: its tiles, and which of them this run needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from terratorch.errors import DataError
from terratorch.tiles.joining import Joiner
from terratorch.tiles.plan import Tile, TilePlan
from terratorch.tiles.source import Source


@dataclass(eq=False)
class Scene:
    """One scene on its way through the engine.

    Attributes:
        plan: Its tiles.
        source: Where they are read.
        joiner: What joins the outputs of the tiles.
        begin: The first row of pixels that is wanted.
        end: The row behind the last; None for the height of the scene.
        first: The first tile that goes through the engine, counted along the rows of tiles.
        stop: The tile behind the last; None for all.
        wants: Whether a tile is wanted at all; None for every tile. What is not is neither read nor
            run, and the pixels that no tile sees are zeros.
        on_failure: Is told, in the thread that reads, why the scene cannot be read; the others go
            on. None raises the error.
        failed: Whether that has happened: the rest of the scene is left out.
        rejected: Whether what was predicted is of no use. Tiles that share a batch with those of
            other scenes run on, so that these come out as they would have.
    """

    plan: TilePlan
    source: Source
    joiner: Joiner
    begin: int = 0
    end: int | None = None
    first: int = 0
    stop: int | None = None
    wants: Callable[[Tile], bool] | None = None
    on_failure: Callable[[DataError], None] | None = None
    failed: bool = False
    rejected: bool = False

    @property
    def bottom(self) -> int:
        """The row behind the last that is wanted."""
        return self.plan.rows.length if self.end is None else self.end

    @property
    def fresh(self) -> bool:
        """Whether every pixel before what is `fresh` of a tile has been seen by an earlier one."""
        return self.plan.even and self.wants is None

    def tiles(self) -> Iterator[Tile]:
        """Yield the tiles that are wanted, row by row.

        Those of a scene that failed are not left out: which tiles make a batch is known beforehand.
        """
        return (tile for index in self._places() if self._is_wanted(tile := self._tile(index)))

    def needs(self, tile: Tile) -> bool:
        """Whether what is predicted of a wanted tile is of use."""
        return not (self.failed or self.rejected) and self.touches(tile)

    def touches(self, tile: Tile) -> bool:
        """Whether a wanted tile touches the rows that are wanted.

        Others run only to fill a batch: the values of a tile may depend, in their last bits, on the
        size of the batch, and a part of a scene is to come out as it does within the whole.
        """
        top, bottom, _, _ = tile.kept
        return bottom > self.begin and top < self.bottom

    @cached_property
    def last(self) -> tuple[int, int] | None:
        """Row and column of the last tile that touches what is wanted; None where none does."""
        for index in reversed(self._places()):
            tile = self._tile(index)
            if self._is_wanted(tile) and self.touches(tile):
                return tile.row, tile.column
        return None

    def _places(self) -> range:
        return range(self.first, len(self.plan) if self.stop is None else self.stop)

    def _tile(self, index: int) -> Tile:
        return self.plan.tile(*divmod(index, len(self.plan.columns)))

    def _is_wanted(self, tile: Tile) -> bool:
        return self.wants is None or self.wants(tile)
