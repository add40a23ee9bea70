import geopandas
import numpy as np
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from shapely.geometry import box

from terratorch.cli.demo.labels import (
    BLOCK,
    CLASS_NAMES,
    IGNORE,
    DemoSplit,
    class_weights,
    rasterize_labels,
    read_polygons,
    split_blocks,
)

SHAPE = (2 * BLOCK, 6 * BLOCK)
# One map unit is a pixel, and rows grow downwards: a box reads as columns and rows.
PLACE = Affine.identity()
SPLITS = split_blocks(SHAPE, fold=0)


def test_blocks_give_half_the_area_to_training_and_a_third_to_the_test():
    for fold in range(3):
        splits = split_blocks((6 * BLOCK, 12 * BLOCK), fold)
        shares = [np.mean(splits == split) for split in DemoSplit]
        np.testing.assert_allclose(shares, [1 / 2, 1 / 6, 1 / 3])


def test_folds_test_every_block_once():
    tested = sum(split_blocks(SHAPE, fold) == DemoSplit.TEST for fold in range(3))
    assert (tested == 1).all()


def test_a_block_is_in_one_split_as_a_whole():
    blocks = SPLITS.reshape(2, BLOCK, 6, BLOCK)
    assert (blocks == blocks[:, :1, :, :1]).all()


def test_a_polygon_carries_labels_in_the_split_of_most_of_its_pixels_only():
    assert SPLITS[0, BLOCK - 1] != SPLITS[0, BLOCK]
    labels = rasterize_labels([(box(BLOCK - 10, 0, BLOCK + 4, 5), 2)], PLACE, SPLITS)
    assert (labels[:5, BLOCK - 10 : BLOCK] == 2).all()
    assert (labels[:5, BLOCK:] == IGNORE).all()


def test_pixels_of_two_classes_are_ignored():
    polygons = [(box(0, 0, 10, 10), 0), (box(5, 5, 15, 15), 1)]
    labels = rasterize_labels(polygons, PLACE, SPLITS)
    assert (labels[5:10, 5:10] == IGNORE).all()
    assert labels[0, 0] == 0
    assert labels[14, 14] == 1


def test_two_polygons_of_one_class_may_overlap():
    polygons = [(box(0, 0, 10, 10), 1), (box(5, 5, 15, 15), 1)]
    assert (rasterize_labels(polygons, PLACE, SPLITS)[:10, :10] == 1).all()


def test_a_polygon_outside_the_scene_is_no_one():
    labels = rasterize_labels([(box(-20, -20, -10, -10), 1)], PLACE, SPLITS)
    assert (labels == IGNORE).all()


corner = st.tuples(st.integers(0, SHAPE[1] - 1), st.integers(0, SHAPE[0] - 1))
boxes = st.tuples(corner, st.integers(1, 200), st.integers(1, 200), st.integers(0, 3))


@settings(max_examples=30, deadline=None)
@given(st.lists(boxes, min_size=1, max_size=6))
def test_no_polygon_has_labels_in_two_splits(drawn):
    places = [(left, top, left + width, top + height) for (left, top), width, height, _ in drawn]
    polygons = [(box(*place), label) for place, (_, _, _, label) in zip(places, drawn, strict=True)]
    labels = rasterize_labels(polygons, PLACE, SPLITS)
    for left, top, right, bottom in places:
        inside = np.s_[top:bottom, left:right]
        labelled = SPLITS[inside][labels[inside] != IGNORE]
        assert len(np.unique(labelled)) <= 1


def test_duplicates_count_once_and_reference_polygons_join_their_class(tmp_path):
    squares = [box(i, 0, i + 1, 1) for i in range(5)]
    osm = geopandas.GeoDataFrame(
        {
            "osm_id": ["1", "1", "2", "3", "4"],
            "fclass": ["farm", "farm", "water", "scrub", "residential"],
        },
        geometry=squares,
        crs="EPSG:32633",
    )
    reference = geopandas.GeoDataFrame({"cid": [1, 2]}, geometry=squares[:2], crs="EPSG:32633")
    osm.to_file(tmp_path / "osm.gpkg")
    reference.to_file(tmp_path / "reference.gpkg")
    polygons = read_polygons(
        tmp_path / "osm.gpkg", tmp_path / "reference.gpkg", CRS.from_epsg(32633)
    )
    names = sorted(CLASS_NAMES[label] for _, label in polygons)
    assert names == ["agriculture", "built-up", "forest", "water", "water"]


def test_rarer_classes_weigh_more_by_the_root_of_their_frequency():
    labels = np.array([0] * 16 + [1] * 4 + [2, 3] + [IGNORE] * 9 + [2] * 50, dtype=np.uint8)
    splits = np.array([DemoSplit.TRAIN] * 31 + [DemoSplit.TEST] * 50, dtype=np.uint8)
    weights = class_weights(labels, splits)
    np.testing.assert_allclose(np.array(weights) / weights[0], [1, 2, 4, 4], rtol=0.02)
    np.testing.assert_allclose(np.mean(weights), 1, atol=0.01)
