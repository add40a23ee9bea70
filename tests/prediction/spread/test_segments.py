"""Segments cover every row once, and their batches are those of a run of all scenes."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terratorch.prediction.spread.segments import Extent, Part, cut
from terratorch.tiles.engine import _batches
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.plan import plan_tiles
from terratorch.tiles.scene import Scene


def parameters(crop, stride, delta=0, padding="reflect", batch_size=3):
    return TiledInferenceParameters(
        h_crop=crop,
        w_crop=crop,
        h_stride=stride,
        w_stride=stride,
        delta=delta,
        padding=padding,
        batch_size=batch_size,
    )


@st.composite
def streams(draw):
    crop = draw(st.integers(4, 12))
    stride = draw(st.integers(2, crop))
    delta = draw(st.integers(0, (crop - stride) // 2))
    chosen = parameters(crop, stride, delta, draw(st.sampled_from(["reflect", False])))
    extents = []
    for _ in range(draw(st.integers(1, 6))):
        plan = plan_tiles(draw(st.integers(2, 60)), draw(st.integers(2, 30)), chosen)
        wanted = None
        if draw(st.booleans()):
            seed = draw(st.integers(0, 99))
            shape = (len(plan.rows), len(plan.columns))
            wanted = np.random.default_rng(seed).random(shape) < draw(st.sampled_from([0.1, 0.6]))
            wanted[-1, -1] = True
        begin = draw(st.sampled_from([0, plan.finished(0)]))
        extents.append(Extent(plan, 0 if begin == plan.rows.length else begin, wanted))
    return extents


def scenes(extents, parts=None, everything=False):
    """The scenes of all extents, or those of a segment; `everything` leaves no tile out."""
    if parts is None:
        parts = [
            Part(index, extent.begin, extent.height, 0, len(extent.plan))
            for index, extent in enumerate(extents)
        ]
    for part in parts:
        extent = extents[part.scene]
        yield Scene(
            plan=extent.plan,
            source=part.scene,
            joiner=None,
            begin=part.begin,
            end=part.end,
            first=0 if everything else part.first,
            stop=None if everything else part.stop,
            wants=partial(wants, extent),
        )


def wants(extent, tile):
    place = tile.row * len(extent.plan.columns) + tile.column
    return extent._places is None or place in extent._places


def batches(scenes, size):
    """Batches that are run, as lists of scene, row and column, and whether each is needed."""
    for jobs in _batches(scenes, size):
        if any(job.scene.needs(job.tile) for job in jobs):
            yield [(job.scene.source, job.tile.row, job.tile.column) for job in jobs]


def needed_tiles(scenes):
    return [
        (scene.source, tile.row, tile.column)
        for scene in scenes
        for tile in scene.tiles()
        if scene.needs(tile)
    ]


@given(streams(), st.integers(1, 7), st.integers(1, 40), st.integers(1, 3))
def test_segments_cover_each_row_once_in_batches_of_the_whole(extents, batch, tiles, least):
    whole = {job: tuple(jobs) for jobs in batches(scenes(extents), batch) for job in jobs}
    segments = cut(extents, batch, tiles, 10**9, least)
    reached = [extent.begin for extent in extents]
    for segment in segments:
        wanted = [part for part in segment.parts if part.is_wanted]
        assert wanted
        for part in wanted:
            assert part.begin == reached[part.scene] < part.end
            assert all(reached[i] == extents[i].height for i in range(part.scene))
            reached[part.scene] = part.end
        for jobs in batches(scenes(extents, segment.parts), batch):
            assert whole[jobs[0]] == tuple(jobs)
        needed = needed_tiles(scenes(extents, segment.parts))
        assert needed == needed_tiles(scenes(extents, wanted, everything=True))
        assert {part.scene for part in wanted} == {scene for scene, _, _ in needed}
    assert reached == [extent.height for extent in extents]
    first_done = sum(extent.done_with(0, extent.begin) for extent in extents)
    assert sum(s.tiles for s in segments) + first_done == sum(extent.count for extent in extents)


def test_a_segment_ends_with_its_tiles_or_its_pixels():
    chosen = parameters(10, 10)
    extents = [Extent(plan_tiles(100, 20, chosen))]
    assert [s.tiles for s in cut(extents, 2, 8, 10**9)] == [8, 8, 4]
    assert [s.tiles for s in cut(extents, 2, 99, 900)] == [10, 10]
    assert [s.tiles for s in cut(extents, 2, 1, 1)] == [8, 8, 4]


def test_small_scenes_share_a_segment():
    extents = [Extent(plan_tiles(10, 10, parameters(10, 10))) for _ in range(7)]
    segments = cut(extents, 2, 3, 10**9)
    rows = [[(part.scene, part.is_wanted) for part in segment.parts] for segment in segments]
    assert rows[0] == [(0, True), (1, True), (2, True), (3, False)]
    assert rows[1] == [(2, False), (3, True), (4, True), (5, True)]
    assert rows[2] == [(6, True)]


@pytest.mark.parametrize("tiles", [1, 10])
def test_a_million_tiles_are_cut_without_counting_them(tiles):
    plan = plan_tiles(100_000, 100_000, parameters(112, 100, 6))
    segments = cut([Extent(plan)], 8, tiles * len(plan.columns), 10**12)
    assert sum(segment.tiles for segment in segments) == len(plan)
    most = max(part.stop - part.first for segment in segments for part in segment.parts)
    assert most <= (max(tiles, 4) + 2) * len(plan.columns) + 16
