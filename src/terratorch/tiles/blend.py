"""How the predictions of overlapping tiles are joined: weights that sum to one at every pixel.

A tile's weight is the product of a profile down and a profile across, so that the sum over all
tiles is made of sums along the sides: no map of weights as large as the scene is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from terratorch.tiles.plan import Axis, Tile, TilePlan

# Added to each raw weight; part of the published definition of the blended maps.
EPSILON = 1e-6

_CACHED_WEIGHTS = 64  # a row of tiles has a handful of different weights


def cosine_profile(length: int, ramp: int) -> Tensor:
    """Return `(length,)` weights that rise over `ramp` pixels, stay at one and fall again.

    The rise is half a cosine, `(1 - cos(pi * i / (ramp + 1))) / 2` for `i` from 1, at most half as
    long as the profile.
    """
    ramp = max(0, min(ramp, length // 2))
    steps = torch.arange(1, ramp + 1, dtype=torch.float64)
    rise = 0.5 * (1 - torch.cos(math.pi * steps / (ramp + 1)))
    return torch.cat([rise, torch.ones(length - 2 * ramp, dtype=torch.float64), rise.flip(0)])


class _Profiles:
    """The profiles along one side, and their sums at every pixel of it.

    There are two kinds of tile: those that lose `delta` at both ends and those that are kept whole.
    `sums` holds, as rows, for each kind the sum and the count over the tiles of a list.
    """

    def __init__(self, axis: Axis, blend_overlaps: bool) -> None:
        self.axis = axis
        self.profiles = {trim: self._profile(trim, blend_overlaps) for trim in {0, axis.delta}}
        every = range(len(axis))
        inner = range(1, len(axis) - 1)
        self.sums = torch.cat(
            [
                self._sums(every if axis.padded else inner, axis.delta),
                self._sums(every, 0),
                self._sums(inner, 0),
            ]
        )
        self.alike = self._alike()

    def _profile(self, trim: int, blend_overlaps: bool) -> Tensor:
        length = self.axis.crop - 2 * trim
        ramp = self.axis.crop - self.axis.stride - trim if blend_overlaps else 0
        return cosine_profile(length, ramp)

    def _sums(self, indices: Sequence[int], trim: int) -> Tensor:
        total = torch.zeros(2, self.axis.length, dtype=torch.float64)
        for index in indices:
            begin, end = self.axis.kept(index, trim)
            total[0, begin:end] += self.kept_profile(index, trim)
            total[1, begin:end] += 1
        return total

    def kept_profile(self, index: int, trim: int) -> Tensor:
        """Return the profile of a tile within the scene."""
        begin, end = self.axis.kept(index, trim)
        start = self.axis.starts[index] + trim
        return self.profiles[trim][begin - start : end - start]

    def _alike(self) -> list[int]:
        """Return for each tile the first one that has the same surroundings."""
        first: dict[tuple[object, ...], int] = {}
        alike = []
        for index, start in enumerate(self.axis.starts):
            begin, end = self.axis.kept(index, 0)
            surroundings = self.sums[:, begin:end].numpy().tobytes()
            key = (begin - start, end - start, self.axis.is_border(index), surroundings)
            alike.append(first.setdefault(key, index))
        return alike


class BlendWeights:
    """The weights of averaged tiles.

    Args:
        plan: The tiles.
        blend_overlaps: Weight by a cosine towards the sides of a tile, otherwise all pixels alike.
        device: Where the weights are used.
    """

    def __init__(self, plan: TilePlan, blend_overlaps: bool, device: torch.device) -> None:
        self.plan = plan
        self.rows = _Profiles(plan.rows, blend_overlaps)
        self.columns = _Profiles(plan.columns, blend_overlaps)
        self.device = device
        self._cached = lru_cache(_CACHED_WEIGHTS)(self._weights)

    def __call__(self, tile: Tile) -> Tensor:
        """Return the `(height, width)` weights of what is kept of a tile."""
        return self._cached(self.rows.alike[tile.row], self.columns.alike[tile.column])

    def _weights(self, row: int, column: int) -> Tensor:
        tile = self.plan.tile(row, column)
        top, bottom, left, right = tile.kept
        raw = EPSILON + torch.outer(
            self.rows.kept_profile(row, tile.trim), self.columns.kept_profile(column, tile.trim)
        )
        total = self._total(self.rows.sums[:, top:bottom], self.columns.sums[:, left:right])
        return (raw / total).to(device=self.device, dtype=torch.float32)

    def _total(self, down: Tensor, across: Tensor) -> Tensor:
        """Return the sum of the raw weights of all tiles over a window.

        Trimmed tiles are a whole grid. Whole tiles are the border of a grid: all without the inner.
        """
        scale = torch.tensor([1.0, EPSILON] * 3, dtype=torch.float64)
        scale[2:] *= 0.0 if self.plan.rows.padded else 1.0
        scale[4:] *= -1.0
        return (down * scale[:, None]).T @ across


class OwnerWeights:
    """Which tile wins where tiles are not averaged.

    Tiles on the regular grid win over those that were moved to end with the scene; among equals the
    later one wins.

    Args:
        plan: The tiles.
        device: Where the masks are used.
    """

    def __init__(self, plan: TilePlan, device: torch.device) -> None:
        self.plan = plan
        self.device = device

    def __call__(self, tile: Tile) -> Tensor:
        """Return the `(height, width)` mask of the pixels that a tile owns."""
        top, bottom, left, right = tile.kept
        owned = torch.ones(bottom - top, right - left, dtype=torch.bool)
        rank = self._rank(tile)
        for row in self.plan.rows.overlapping(tile.row):
            for column in self.plan.columns.overlapping(tile.column):
                other = self.plan.tile(row, column)
                if self._rank(other) > rank:
                    y0, y1, x0, x1 = other.kept
                    owned[
                        max(y0 - top, 0) : max(y1 - top, 0), max(x0 - left, 0) : max(x1 - left, 0)
                    ] = False
        return owned.to(self.device)

    def _rank(self, tile: Tile) -> tuple[int, int, int]:
        regular = (tile.row < self.plan.rows.regular, tile.column < self.plan.columns.regular)
        order = {(True, True): 2, (False, False): 1}.get(regular, 0)
        return order, tile.row, tile.column


def blend_into(
    canvas: Tensor, values: Tensor, weights: Tensor, fresh: tuple[int, int] | None
) -> None:
    """Add the prediction of a tile to the canvas, in place.

    Args:
        canvas: `(C, h, w)`.
        values: `(C, h, w)`.
        weights: `(h, w)`: weights that sum to one over the tiles, or a mask of owned pixels.
        fresh: Row and column from which the canvas is not initialised; None if it holds zeros or
            sums everywhere.
    """
    if weights.dtype == torch.bool:
        torch.where(weights, values, canvas, out=canvas)
        return
    if fresh is None:
        canvas.addcmul_(values, weights)
        return
    row, column = fresh
    below, right = slice(row, None), slice(column, None)
    above, left = slice(row), slice(column)
    torch.mul(values[:, below, right], weights[below, right], out=canvas[:, below, right])
    canvas[:, above].addcmul_(values[:, above], weights[above])
    canvas[:, below, left].addcmul_(values[:, below, left], weights[below, left])
