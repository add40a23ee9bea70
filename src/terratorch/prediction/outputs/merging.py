"""Merge the boxes of overlapping tiles into the boxes of a scene, tile row by tile row.

Boxes of one class form groups that touch directly or through others. A group is merged once no
later tile can add to it, so that the result does not depend on when rows are finished, and memory
depends on the rows of tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
import torch
from shapely import STRtree
from torch import Tensor

from terratorch.contracts.outputs import Boxes, pixel_window
from terratorch.contracts.prediction import MAIN_LAYER, Prediction
from terratorch.errors import NotANumberError
from terratorch.prediction.outputs.base import FinishedRows, JoinRequest
from terratorch.tiles.joining import JoinedRows
from terratorch.tiles.plan import Tile, TilePlan

SAME_OBJECT = 0.5  # intersection over union from which two whole boxes are one object
PIECE_OF = 0.5  # share of a box cut by a tile border from which it is a piece of another
_EDGE = 1.0  # pixels from a tile border within which a box counts as cut by it

# Sides of a box, as columns of `SceneBoxes.cut`: left, top, right, bottom.
_LEFT, _TOP, _RIGHT, _BOTTOM = range(4)
_OPPOSITE = torch.tensor([_RIGHT, _BOTTOM, _LEFT, _TOP])


@dataclass(frozen=True, eq=False)
class SceneBoxes:
    """Boxes in pixels of a scene.

    Attributes:
        boxes: `(N, 4)`.
        scores: `(N,)`.
        labels: `(N,)`.
        cut: `(N, 4)`, which sides a tile border cuts off.
        masks: `(h, w)` of each; None without masks.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    cut: Tensor
    masks: tuple[Tensor, ...] | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def of_tile(cls, boxes: Boxes, tile: Tile, plan: TilePlan) -> SceneBoxes:
        """Move the boxes of a tile into the scene, without what lies in the padding beyond it."""
        height, width = plan.rows.length, plan.columns.length
        offset = torch.tensor([tile.left, tile.top, tile.left, tile.top])
        moved = boxes.boxes[0].float() + offset
        middle = (moved[:, :2] + moved[:, 2:]) / 2
        size = torch.tensor([width, height])
        inside = ((middle >= 0) & (middle < size)).all(1)
        # A side is cut where the tile ends and the scene goes on.
        ends = torch.tensor([tile.left, tile.top, tile.left + tile.width, tile.top + tile.height])
        borders = torch.tensor([0, 0, width, height])
        inner = torch.tensor([ends[0] > 0, ends[1] > 0, ends[2] < width, ends[3] < height])
        cut = ((moved - ends).abs() <= _EDGE) & inner
        limits = borders[2:].repeat(2)
        clipped = moved.clamp(min=0).minimum(limits)
        masks = boxes.masks
        if masks is not None:
            masks = (tuple(map(_clipped_mask, masks[0], moved, clipped)),)
        found = cls(
            clipped,
            boxes.scores[0].float(),
            boxes.labels[0].long(),
            cut,
            None if masks is None else masks[0],
        )
        return found.take(inside)

    def take(self, chosen: Tensor) -> SceneBoxes:
        """Return some boxes, by a mask or by indices."""
        places = chosen.nonzero().flatten() if chosen.dtype == torch.bool else chosen
        masks = self.masks
        return SceneBoxes(
            self.boxes[places],
            self.scores[places],
            self.labels[places],
            self.cut[places],
            None if masks is None else tuple(masks[place] for place in places.tolist()),
        )

    @classmethod
    def joined(cls, parts: Sequence[SceneBoxes]) -> SceneBoxes:
        """Return all boxes of some parts; at least one part."""
        masks = [part.masks for part in parts]
        return cls(
            torch.cat([part.boxes for part in parts]),
            torch.cat([part.scores for part in parts]),
            torch.cat([part.labels for part in parts]),
            torch.cat([part.cut for part in parts]),
            None if None in masks else tuple(mask for each in masks for mask in each or ()),
        )


def _clipped_mask(mask: Tensor, box: Tensor, clipped: Tensor) -> Tensor:
    """Return a mask without the pixels that lie in the padding beyond the scene."""
    left, top, _, _ = pixel_window(box)
    new_left, new_top, right, bottom = pixel_window(clipped)
    return mask[new_top - top : bottom - top, new_left - left : right - left]


def merge_boxes(boxes: SceneBoxes) -> SceneBoxes:
    """Return one box for each object that several tiles have seen.

    Of whole boxes the one with the highest score is kept (non-maximum suppression per class). A box
    that a tile border cuts is dropped if most of it lies in a kept box. Pieces of an object that no
    tile sees whole are joined into one box that holds both; instance masks too.
    """
    from torchvision.ops import batched_nms

    whole = ~boxes.cut.any(1)
    places = whole.nonzero().flatten()
    kept_places = places[
        batched_nms(boxes.boxes[places], boxes.scores[places], boxes.labels[places], SAME_OBJECT)
    ]
    pieces, kept = boxes.take(~whole), boxes.take(kept_places)
    if len(pieces):
        pieces = pieces.take(~_covered(pieces, kept))
    if len(pieces):
        kept = SceneBoxes.joined([kept, _joined_pieces(pieces)])
    return kept.take(kept.scores.argsort(descending=True, stable=True))


def _touching(first: SceneBoxes, second: SceneBoxes) -> tuple[Tensor, Tensor]:
    """Return the pairs of boxes of one class that overlap, or are less than a pixel apart."""
    margin = torch.tensor([-_EDGE, -_EDGE, _EDGE, _EDGE])
    tree = STRtree(shapely.box(*second.boxes.double().numpy().T))
    grown = shapely.box(*(first.boxes + margin).double().numpy().T)
    ours, theirs = torch.from_numpy(tree.query(grown, predicate="intersects").astype(np.int64))
    same = first.labels[ours] == second.labels[theirs]
    return ours[same], theirs[same]


def _covered(pieces: SceneBoxes, kept: SceneBoxes) -> Tensor:
    """Return which pieces lie in a kept box for the most part."""
    ours, theirs = _touching(pieces, kept)
    inner, outer = pieces.boxes[ours], kept.boxes[theirs]
    overlap = (inner[:, 2:].minimum(outer[:, 2:]) - inner[:, :2].maximum(outer[:, :2])).clamp(min=0)
    share = overlap.prod(1) / (inner[:, 2:] - inner[:, :2]).prod(1).clamp(min=1e-9)
    covered = torch.zeros(len(pieces), dtype=torch.bool)
    covered[ours[share >= PIECE_OF]] = True
    return covered


def _joined_pieces(pieces: SceneBoxes) -> SceneBoxes:
    """Join boxes that are cut on facing sides and cover the same stretch of the border."""
    ours, theirs = _touching(pieces, pieces)
    linked = _are_one_object(pieces.take(ours), pieces.take(theirs))
    groups = _groups(len(pieces), ours[linked], theirs[linked])
    alone = groups.bincount(minlength=len(pieces))[groups] == 1
    unions = [
        _union(pieces.take((groups == group).nonzero().flatten()))
        for group in groups[~alone].unique()
    ]
    return SceneBoxes.joined([pieces.take(alone), *unions])


def _are_one_object(first: SceneBoxes, second: SceneBoxes) -> Tensor:
    """Return which pairs of pieces that touch are of one object."""
    # How much of the shorter side of the two lies beside the other, across and down.
    low = first.boxes[:, :2].maximum(second.boxes[:, :2])
    high = first.boxes[:, 2:].minimum(second.boxes[:, 2:])
    shorter = (first.boxes[:, 2:] - first.boxes[:, :2]).minimum(
        second.boxes[:, 2:] - second.boxes[:, :2]
    )
    across, down = ((high - low) / shorter.clamp(min=1e-9) >= PIECE_OF).unbind(1)
    facing = first.cut & second.cut[:, _OPPOSITE]
    beside = (facing[:, _LEFT] | facing[:, _RIGHT]) & down
    above = (facing[:, _TOP] | facing[:, _BOTTOM]) & across
    # Two tiles that see the same piece, cut by the same border further on.
    alike = (first.cut & second.cut).any(1) & across & down
    return beside | above | alike


def _groups(count: int, ours: Tensor, theirs: Tensor) -> Tensor:
    """Return `(count,)`, the lowest index that each is linked to, directly or through others."""
    groups = torch.arange(count)
    while True:
        lowest = groups.scatter_reduce(0, ours, groups[theirs], "amin")
        if torch.equal(lowest, groups):
            return groups
        groups = lowest


def _union(pieces: SceneBoxes) -> SceneBoxes:
    boxes = pieces.boxes
    box = torch.cat([boxes[:, :2].amin(0), boxes[:, 2:].amax(0)])
    masks = None
    if pieces.masks is not None:
        left, top, right, bottom = pixel_window(box)
        mask = torch.zeros(bottom - top, right - left, dtype=torch.bool)
        for part, own in zip(pieces.masks, boxes, strict=True):
            x, y, _, _ = pixel_window(own)
            mask[y - top : y - top + part.shape[0], x - left : x - left + part.shape[1]] |= part
        masks = (mask,)
    best = pieces.scores.argmax(keepdim=True)
    cut = pieces.cut.all(0, keepdim=True)
    return SceneBoxes(box[None], pieces.scores[best], pieces.labels[best], cut, masks)


class BoxJoiner:
    """Merges the boxes of the tiles of one scene.

    Boxes whose centre is nodata, or outside the area that is predicted, are dropped.

    Args:
        request: The scene, and what takes its boxes.
    """

    def __init__(self, request: JoinRequest) -> None:
        self.request = request
        self._pending: list[SceneBoxes] = []
        self._finished = request.begin  # rows
        self._prediction: Prediction | None = None
        self._rejected = False

    def split(self, output: Any, tiles: Sequence[Tile]) -> Sequence[Any]:
        """Return the output of each tile, as a batch of one."""
        if isinstance(output, Boxes):
            return [output.image(index) for index in range(len(output))]
        return [output[index : index + 1] for index in range(len(tiles))]

    def add(self, scene: JoinedRows, tile: Tile, output: Any) -> None:
        """Take the boxes of a tile, and pass on those that no later tile changes."""
        if self._rejected:
            return
        # Boxes are not trimmed: those of this and later rows of tiles begin here or below.
        if tile.top > self._finished:
            self._finish(tile.top)
        try:
            prediction = self.request.decide(output, self.request.filename).cpu()
        except NotANumberError as error:
            self._rejected = True
            self.request.reject(error)
            return
        boxes = prediction.main
        assert isinstance(boxes, Boxes), "boxes are made of boxes"
        self._prediction = prediction
        self._pending.append(SceneBoxes.of_tile(boxes, tile, scene.plan))
        if (tile.row, tile.column) == scene.last:
            self._finish(scene.bottom)

    def _finish(self, bottom: int) -> None:
        """Pass on the groups of boxes that end before a row."""
        top, self._finished = self._finished, bottom
        if self._prediction is None:
            return
        boxes = self._without_hidden(SceneBoxes.joined(self._pending), top, bottom)
        waits = torch.zeros(len(boxes), dtype=torch.bool)
        if bottom < self.request.end:
            waits = _reached(boxes, boxes.boxes[:, 3] + _EDGE >= bottom)
        self._pending = [boxes.take(waits)]
        merged = merge_boxes(boxes.take(~waits))
        outputs = {
            MAIN_LAYER: Boxes(
                (merged.boxes,),
                (merged.scores,),
                (merged.labels,),
                None if merged.masks is None else (merged.masks,),
            )
        }
        prediction = replace(self._prediction, outputs=dict(outputs))
        self.request.take(FinishedRows(top, bottom, prediction))

    def _without_hidden(self, boxes: SceneBoxes, top: int, bottom: int) -> SceneBoxes:
        """Drop boxes whose centre lies in these rows, on a pixel that is not valid."""
        width = self.request.plan.columns.length
        valid = self.request.valid(top, bottom, width)
        if valid is None or not len(boxes):
            return boxes
        middle = ((boxes.boxes[:, :2] + boxes.boxes[:, 2:]) / 2).long()
        x, y = middle[:, 0].clamp(0, width - 1), middle[:, 1]
        here = (y >= top) & (y < bottom)
        hidden = here & ~valid[(y - top).clamp(0, bottom - top - 1), x]
        return boxes.take(~hidden)


def _reached(boxes: SceneBoxes, seeds: Tensor) -> Tensor:
    """Return which boxes touch the seeds of their class, directly or through others."""
    if not seeds.any() or seeds.all():
        return seeds
    ours, theirs = _touching(boxes, boxes)
    reached = seeds
    while True:
        grown = reached.clone()
        grown[ours[reached[theirs]]] = True
        if torch.equal(grown, reached):
            return reached
        reached = grown
