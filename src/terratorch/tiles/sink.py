"""Where predictions are put together, and where finished rows go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from terratorch.tiles.plan import Tile

# Returns the weights, or the mask of owned pixels, of a tile.
TileWeights = Callable[[Tile], Tensor]

_ROWS_UNSEEN = 256  # that are written at once


class Canvas(Protocol):
    """The rows of one scene's prediction that tiles are being blended into."""

    def rows(self, top: int, bottom: int, like: Tensor) -> Tensor:
        """Return the `(C, bottom - top, W)` of these rows to blend into.

        New ones hold zeros if the canvas was made so, else anything (see `TilePlan.even`).

        Args:
            top: First row; none before the finished ones.
            bottom: The row after the last.
            like: `(C, h, w)`, a prediction that gives channels, dtype and device.
        """
        ...

    def finish(self, bottom: int, like: Tensor) -> None:
        """Finish the rows before `bottom`, which do not change any more."""
        ...


class RowSink(Protocol):
    """What finished rows are written to."""

    def write_rows(self, top: int, rows: Tensor) -> None:
        """Write `(C, n, W)`, the rows from `top` on; calls come in order."""
        ...


class TensorSink:
    """One tensor for the predictions of a batch of scenes of one size, blended in place.

    Args:
        scenes: How many scenes.
        height: Rows of each.
        width: Columns of each.
        device: The device of the tensor.
        zeroed: Whether it begins with zeros; a plan that is `even` needs none.
    """

    def __init__(
        self, scenes: int, height: int, width: int, device: torch.device, zeroed: bool = True
    ) -> None:
        self.scenes, self.height, self.width, self.device = scenes, height, width, device
        self.zeroed = zeroed
        self.output: Tensor | None = None

    def canvas(self, scene: int) -> Canvas:
        """Return the canvas of one of the scenes."""
        return _TensorCanvas(self, scene)

    def allocated(self, like: Tensor) -> Tensor:
        """Return the `(B, C, H, W)` of all scenes."""
        if self.output is None:
            shape = (self.scenes, like.shape[0], self.height, self.width)
            make = torch.zeros if self.zeroed else torch.empty
            self.output = make(shape, dtype=like.dtype, device=self.device)
        return self.output


class _TensorCanvas:
    def __init__(self, sink: TensorSink, scene: int) -> None:
        self.sink = sink
        self.scene = scene

    def rows(self, top: int, bottom: int, like: Tensor) -> Tensor:
        return self.sink.allocated(like)[self.scene, :, top:bottom]

    def finish(self, bottom: int, like: Tensor) -> None:
        """Nothing to do: the rows are where they belong."""


class RollingCanvas:
    """A canvas that holds the unfinished rows only, so that memory depends on the tiles' height.

    Args:
        sink: Takes the finished rows.
        width: Columns of the scene.
        zeroed: Whether new rows hold zeros; not needed where tiles are `fresh` (see `Scene`).
        begin: The first row of the scene to predict.
        end: The row after the last; None for the end of the scene.
    """

    def __init__(
        self,
        sink: RowSink,
        width: int,
        zeroed: bool = True,
        begin: int = 0,
        end: int | None = None,
    ) -> None:
        self.sink, self.width, self.zeroed = sink, width, zeroed
        self.top, self.end = begin, end
        self.held = 0  # rows from `top` on that hold something
        self._buffer: Tensor | None = None

    def rows(self, top: int, bottom: int, like: Tensor) -> Tensor:
        """Return the `(C, bottom - top, W)` of these rows to blend into."""
        assert top >= self.top, f"row {top} is finished: rows from {self.top} on are held"
        needed = bottom - self.top
        buffer = self._grown(needed, like)
        if needed > self.held:
            if self.zeroed:
                buffer[:, self.held : needed] = 0
            self.held = needed
        return buffer[:, top - self.top : needed]

    def _grown(self, needed: int, like: Tensor) -> Tensor:
        if self._buffer is None or needed > self._buffer.shape[1]:
            grown = like.new_empty(like.shape[0], needed, self.width)
            if self._buffer is not None:
                grown[:, : self.held] = self._buffer[:, : self.held]
            self._buffer = grown
        return self._buffer

    def finish(self, bottom: int, like: Tensor) -> None:
        """Write the rows before `bottom` and free them; rows without a tile are zeros."""
        bottom = bottom if self.end is None else min(bottom, self.end)
        while self.top < bottom:
            # Rows that no tile saw may be most of the scene.
            count = min(bottom - self.top, max(self.held, _ROWS_UNSEEN))
            self.sink.write_rows(self.top, self.rows(self.top, self.top + count, like))
            rest = max(self.held - count, 0)
            if rest:
                assert self._buffer is not None, "what is held is in the buffer"
                # Through a copy where the two overlap: the rest may be longer than what is written.
                remaining = self._buffer[:, count : self.held]
                self._buffer[:, :rest] = remaining.clone() if rest > count else remaining
            self.top, self.held = self.top + count, rest
