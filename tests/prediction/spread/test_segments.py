"""Segments cover every row of pixels once, with the tiles that touch it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terratorch.prediction.scenes.extent import Extent
from terratorch.prediction.spread.segments import cut
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.plan import plan_tiles


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


def touching(extent, begin, end):
    """The selected tiles that keep a pixel of some rows, by their position in the grid."""
    columns = len(extent.plan.columns)
    for place in range(len(extent.plan)) if extent._places is None else extent._places:
        top, bottom, _, _ = extent.plan.tile(*divmod(int(place), columns)).kept
        if bottom > begin and top < end:
            yield int(place)


@given(streams(), st.integers(1, 40), st.integers(1, 3))
def test_segments_cover_each_row_once_with_its_tiles(extents, tiles, least):
    segments = cut(extents, tiles, 10**9, least)
    reached = [extent.begin for extent in extents]
    for segment in segments:
        assert segment.parts
        for part in segment.parts:
            rows, extent = part.rows, extents[part.scene]
            assert rows.begin == reached[part.scene] < rows.end
            assert all(reached[i] == extents[i].height for i in range(part.scene))
            reached[part.scene] = rows.end
            places = list(touching(extent, rows.begin, rows.end))
            assert places
            assert rows.first <= min(places)
            assert max(places) < rows.stop
    assert reached == [extent.height for extent in extents]
    first_done = sum(extent.count_finished(0, extent.begin) for extent in extents)
    assert sum(s.tiles for s in segments) + first_done == sum(extent.count for extent in extents)


def test_a_segment_ends_with_its_tiles_or_its_pixels():
    chosen = parameters(10, 10)
    extents = [Extent(plan_tiles(100, 20, chosen))]
    assert [s.tiles for s in cut(extents, 8, 10**9)] == [8, 8, 4]
    assert [s.tiles for s in cut(extents, 99, 900)] == [10, 10]
    assert [s.tiles for s in cut(extents, 1, 1)] == [8, 8, 4]


def test_small_scenes_share_a_segment():
    extents = [Extent(plan_tiles(10, 10, parameters(10, 10))) for _ in range(7)]
    segments = cut(extents, 3, 10**9)
    scenes = [[part.scene for part in segment.parts] for segment in segments]
    assert scenes == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize("tiles", [1, 10])
def test_a_million_tiles_are_cut_without_counting_them(tiles):
    plan = plan_tiles(100_000, 100_000, parameters(112, 100, 6))
    segments = cut([Extent(plan)], tiles * len(plan.columns), 10**12)
    assert sum(segment.tiles for segment in segments) == len(plan)
    most = max(part.rows.stop - part.rows.first for segment in segments for part in segment.parts)
    assert most <= (max(tiles, 4) + 2) * len(plan.columns) + 16
