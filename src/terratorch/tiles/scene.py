"""A scene for the engine: its tiles, and which of them this run needs."""

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
    """A scene for the engine.

    Attributes:
        plan: Its tiles.
        source: Reads the tiles.
        joiner: Joins the outputs of the tiles.
        begin: The first row of pixels to predict.
        end: The row after the last; None for the height of the scene.
        first: The first tile that goes through the engine, counted along the rows of tiles.
        stop: The tile after the last; None for all.
        wants: Whether to read and run a tile; None for every tile. Pixels that no tile covers are
            zeros.
        on_failure: Called in the reading thread if the scene cannot be read; other scenes
            continue. None raises the error.
        failed: Whether reading failed: the rest of the scene is skipped.
        rejected: Whether the prediction is invalid. Tiles that share a batch with other scenes
            still run, so that the other scenes do not change.
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
        """The row after the last to predict."""
        return self.plan.rows.length if self.end is None else self.end

    @property
    def fresh(self) -> bool:
        """Whether every pixel before what is `fresh` of a tile has been seen by an earlier one."""
        return self.plan.even and self.wants is None

    def tiles(self) -> Iterator[Tile]:
        """Yield the tiles to run, row by row.

        Tiles of a failed scene are included: the batches must not change.
        """
        return (tile for index in self._places() if self._is_wanted(tile := self._tile(index)))

    def needs(self, tile: Tile) -> bool:
        """Whether the prediction of a tile is used."""
        return not (self.failed or self.rejected) and self.touches(tile)

    def touches(self, tile: Tile) -> bool:
        """Whether a tile touches the rows to predict.

        Other tiles only fill a batch: the last bits of a prediction may depend on the batch size,
        and part of a scene must be predicted as within the whole.
        """
        top, bottom, _, _ = tile.kept
        return bottom > self.begin and top < self.bottom

    @cached_property
    def last(self) -> tuple[int, int] | None:
        """Row and column of the last tile that touches the rows to predict; None without one."""
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
