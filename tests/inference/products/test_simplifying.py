"""Simpler polygons of maps: a coverage stays one, and looks as that of GEOS."""

import numpy as np
import pytest
from rasterio.features import shapes

from terratorch.inference.products.polygons import Polygons
from terratorch.inference.products.simplifying import simplify_rings

shapely = pytest.importorskip("shapely")


def polygons_of(classes):
    found = [shape for shape, _ in shapes(classes.astype(np.uint8))]
    return np.array([shapely.geometry.shape(one) for one in found])


def simplified(polygons, tolerance):
    _, corners, offsets = shapely.to_ragged_array(polygons)
    simple = Polygons(corners.astype(np.int32), *offsets).simplified(tolerance)
    return simple.shapes(simple.corners.astype(float))


def noise(seed, size=(24, 31), classes=3, smooth=1):
    """Random classes; smooth ones come in patches, as those of a model do."""
    random = np.random.default_rng(seed)
    scores = random.random((classes, size[0] + smooth - 1, size[1] + smooth - 1))
    windows = np.lib.stride_tricks.sliding_window_view(scores, (smooth, smooth), axis=(1, 2))
    return windows.mean(axis=(-1, -2)).argmax(axis=0)


def check(polygons, tolerance):
    made = simplified(polygons, tolerance)
    assert len(made) == len(polygons)
    assert shapely.is_valid(made).all()
    assert not shapely.is_empty(made).any()
    assert shapely.coverage_is_valid(made)
    holes = map(shapely.get_num_interior_rings, (made, polygons))
    assert np.array_equal(*holes)
    return made


@pytest.mark.parametrize("tolerance", [0.5, 0.8, 1.5, 4.0, 1000.0])
@pytest.mark.parametrize("smooth", [1, 2, 3, 5])
@pytest.mark.parametrize("classes", [2, 4])
def test_a_coverage_stays_one(classes, smooth, tolerance):
    for seed in range(3):
        made = check(polygons_of(noise(seed, classes=classes, smooth=smooth)), tolerance)
        assert shapely.union_all(made).area == pytest.approx(shapely.area(made).sum())


@pytest.mark.parametrize("tolerance", [1.0, 3.0])
def test_gaps_are_no_matter(tolerance):
    polygons = polygons_of(noise(5, (40, 40), smooth=3))
    check(polygons[shapely.area(polygons) > 6], tolerance)


@pytest.mark.parametrize("tolerance", [0.5, 1.5, 5.0])
def test_as_many_corners_stay_as_with_geos(tolerance):
    polygons = polygons_of(noise(7, (60, 60), classes=3, smooth=4))
    made = check(polygons, tolerance)
    expected = shapely.coverage_simplify(simplified(polygons, 0.0), tolerance)
    counts = [shapely.get_num_coordinates(each).sum() for each in (made, expected)]
    assert counts[0] == pytest.approx(counts[1], rel=0.03)
    moved = shapely.area(shapely.symmetric_difference(made, expected)).sum()
    assert moved < 0.25 * tolerance * shapely.length(polygons).sum()


def test_stairs_become_a_straight_line():
    classes = np.tri(20, 20, -1)
    above, below = polygons_of(classes)
    for polygon in simplified(np.array([above, below]), 1.0):
        assert shapely.get_num_coordinates(polygon) <= 7


def test_corners_where_borders_meet_stay():
    quarters = np.arange(4).reshape(2, 2).repeat(6, 0).repeat(6, 1)
    made = check(polygons_of(quarters), 1e6)
    assert shapely.intersects(made, shapely.Point(6, 6)).all()


def test_small_things_keep_a_triangle():
    classes = np.zeros((9, 9))
    classes[2:4, 2:4] = classes[6, 6] = 1
    made = check(polygons_of(classes), 100.0)
    assert sorted(shapely.get_num_coordinates(made)) == [4, 4, 13]


def test_a_thing_within_a_bend_is_not_cut_off():
    classes = np.zeros((12, 20))
    classes[8:] = 1
    classes[4:8, 8:12] = 1
    classes[6, 10] = 2
    check(polygons_of(classes), 100.0)


def test_rings_far_from_the_origin_stay_there():
    square = np.array([[5, 7], [5, 9], [9, 9], [9, 7], [5, 7]]) + 30_000
    corners, rings = simplify_rings(square, np.array([0, 5]), 0.0)
    assert rings.tolist() == [0, 5]
    assert sorted(corners[:-1].tolist()) == sorted(square[:-1].tolist())
    assert corners[0].tolist() == corners[-1].tolist()
