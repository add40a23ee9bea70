"""Boxes of tiles are merged as if all were known at once, in the time that a scene allows."""

import time
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from terratorch.contracts.outputs import Boxes
from terratorch.contracts.prediction import Prediction
from terratorch.errors import NotANumberError
from terratorch.prediction.outputs.base import JoinRequest
from terratorch.prediction.outputs.boxes import GatheredBoxes
from terratorch.prediction.outputs.merging import BoxJoiner, SceneBoxes, merge_boxes
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.plan import plan_tiles
from terratorch.tiles.scene import Scene

TILES = TiledInferenceParameters(40, 30, 40, 30, delta=0)


def seen_in(tile, boxes, labels):
    """What a perfect detector finds of boxes of the scene in a tile."""
    offset = torch.tensor([tile.left, tile.top, tile.left, tile.top])
    limits = torch.tensor([tile.width, tile.height] * 2)
    local = (boxes - offset).clamp(min=0).minimum(limits).float()
    inside = ((local[:, 2:] - local[:, :2]) > 0).all(1)
    scores = 0.9 - 0.001 * torch.arange(len(boxes))
    return Boxes((local[inside],), (scores[inside],), (labels[inside],))


def join(boxes, labels, size=(150, 100), tiles=TILES):
    plan = plan_tiles(*size, tiles)
    gathered, rows = GatheredBoxes(None), []
    request = JoinRequest(
        filename="scene.tif",
        plan=plan,
        begin=0,
        end=size[0],
        zeroed=False,
        weights=lambda: None,
        decide=lambda output, name: Prediction({"prediction": output}, [name]),
        valid=lambda begin, end, width: None,
        take=lambda part: (rows.append((part.top, part.bottom)), gathered.take(part)),
        reject=None,
    )
    joiner = BoxJoiner(request)
    scene = Scene(plan, None, joiner)
    everything = []
    for tile in scene.tiles():
        seen = seen_in(tile, boxes, labels)
        everything.append(SceneBoxes.of_tile(seen, tile, plan))
        joiner.add(scene, tile, seen)
    assert rows[0][0] == 0
    assert rows[-1][1] == size[0]
    assert all(top == bottom for (_, bottom), (top, _) in pairwise(rows))
    return gathered.prediction().main, merge_boxes(SceneBoxes.joined(everything))


@st.composite
def scenes(draw):
    sides = st.tuples(
        st.integers(0, 90), st.integers(0, 140), st.integers(2, 60), st.integers(2, 60)
    )
    boxes = [
        (left, top, min(left + width, 100), min(top + height, 150))
        for left, top, width, height in draw(st.lists(sides, min_size=1, max_size=12))
    ]
    labels = draw(st.lists(st.integers(0, 1), min_size=len(boxes), max_size=len(boxes)))
    return torch.tensor(boxes), torch.tensor(labels)


@given(scenes())
def test_rows_of_tiles_give_what_all_tiles_at_once_give(case):
    streamed, at_once = join(*case)
    ours = sorted(zip(streamed.boxes[0].tolist(), streamed.labels[0].tolist(), strict=True))
    theirs = sorted(zip(at_once.boxes.tolist(), at_once.labels.tolist(), strict=True))
    assert ours == theirs


@pytest.mark.parametrize(
    "box",
    [
        (5, 5, 9, 9),
        (25, 25, 45, 45),  # on a corner of tiles
        (0, 0, 100, 150),  # the whole scene
        (38, 10, 42, 140),  # over all rows of tiles
        (10, 68, 95, 72),  # over all columns
        (60, 0, 75, 20),  # at the side of the scene
        (0, 28, 29, 42),  # as long as a stride
    ],
)
def test_one_object_is_one_box(box):
    streamed, _ = join(torch.tensor([box]), torch.tensor([0]))
    assert streamed.boxes[0].int().tolist() == [list(box)]


def test_tiles_without_overlap_join_what_they_cut():
    tiles = replace(TILES, h_stride=40, w_stride=40)
    streamed, _ = join(torch.tensor([(30, 30, 50, 50)]), torch.tensor([0]), tiles=tiles)
    assert streamed.boxes[0].int().tolist() == [[30, 30, 50, 50]]


def test_neighbours_and_other_classes_stay_apart():
    boxes = torch.tensor([(10, 10, 38, 30), (38, 10, 60, 30), (12, 12, 37, 29)])
    streamed, _ = join(boxes, torch.tensor([0, 0, 1]))
    assert sorted(streamed.boxes[0].int().tolist()) == sorted(boxes.tolist())


def test_a_scene_with_nan_is_rejected_once():
    rejected = []

    def decide(output, name):
        raise NotANumberError(name, "NaN")

    plan = plan_tiles(100, 60, TILES)
    request = JoinRequest(
        "a.tif", plan, 0, 100, False, None, decide, lambda *_: None, None, rejected.append
    )
    joiner = BoxJoiner(request)
    scene = Scene(plan, None, joiner)
    for tile in scene.tiles():
        joiner.add(scene, tile, None)
    assert len(rejected) == 1


def test_many_boxes_are_merged_in_little_time():
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(0, 7950, (20_000, 2), generator=generator)
    boxes = torch.cat([corners, corners + 20], 1)
    labels = torch.randint(0, 5, (20_000,), generator=generator)
    tiles = TiledInferenceParameters(512, 448, 512, 448, delta=0)
    plan = plan_tiles(8000, 8000, tiles)
    seen = [
        (tile, seen_in(tile, boxes, labels))
        for row in range(len(plan.rows))
        for tile in plan.tile_row(row)
    ]
    gathered = GatheredBoxes(None)
    joiner = BoxJoiner(
        JoinRequest(
            filename="scene.tif",
            plan=plan,
            begin=0,
            end=8000,
            zeroed=False,
            weights=lambda: None,
            decide=lambda output, name: Prediction({"prediction": output}, [name]),
            valid=lambda begin, end, width: None,
            take=gathered.take,
            reject=None,
        )
    )
    scene = Scene(plan, None, joiner)
    start = time.perf_counter()
    for tile, found in seen:
        joiner.add(scene, tile, found)
    seconds = time.perf_counter() - start
    assert len(gathered.prediction().main.boxes[0]) > 15_000
    assert seconds < 2, seconds
