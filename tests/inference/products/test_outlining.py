"""Outlines of classes are the polygons that GDAL makes of them."""

import numpy as np
import pytest
from rasterio.features import shapes

from terratorch.inference.products.outlining import NOTHING, outlined

shapely = pytest.importorskip("shapely")


def ours(classes, step=4):
    """Return the polygons by class, from some rows at a time."""
    rows = (classes[top : top + step].astype(np.int64) for top in range(0, len(classes), step))
    polygons, ids = outlined(rows, len(classes))
    made = polygons.shapes(polygons.corners.astype(float))
    assert shapely.is_valid(made).all()
    assert polygons.areas() == pytest.approx(shapely.area(made))
    return sorted(zip(ids.tolist(), shapely.normalize(made), strict=True), key=_key)


def of_gdal(classes):
    found = [
        (int(value), shapely.normalize(shapely.geometry.shape(shape)))
        for shape, value in shapes(classes.astype(np.int32), mask=classes != NOTHING)
    ]
    return sorted(found, key=_key)


def _key(pair):
    return pair[0], pair[1].wkb


def check(classes, **options):
    found, expected = ours(classes, **options), of_gdal(classes)
    assert [number for number, _ in found] == [number for number, _ in expected]
    assert all(a.equals_exact(b) for (_, a), (_, b) in zip(found, expected, strict=True))
    return found


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (17, 23), (40, 40)])
@pytest.mark.parametrize("share", [0.1, 0.4, 0.5, 0.6, 0.9])
def test_they_are_those_of_gdal(shape, share):
    for seed in range(6):
        random = np.random.default_rng(seed)
        classes = (random.random(shape) < share).astype(np.int64)
        classes[random.random(shape) < 0.1] = 5
        check(classes)
        check(np.where(classes == 0, NOTHING, classes - 3), step=1)


def test_holes_belong_to_the_outline_around_them():
    rings = np.minimum.outer(np.arange(12), np.arange(12))
    nested = np.minimum(rings, rings[::-1, ::-1])
    found = check(nested % 2 * 300 - 1)
    assert [len(polygon.interiors) for _, polygon in found].count(1) == 5
    many = np.zeros((9, 9))
    many[1::2, 1::2] = many[4, 3] = 1
    ((_, polygon),) = [one for one in check(many.astype(np.int64)) if one[0] == 0]
    assert len(polygon.interiors) == 15


def test_a_long_border_is_one_ring():
    """A comb, whose only border has as many sides as there is room for."""
    comb = np.zeros((30, 41), np.int64)
    comb[:, ::2] = comb[0] = 1
    comb[comb == 0] = NOTHING
    ((_, polygon),) = check(comb)
    assert len(polygon.exterior.coords) == 1 + 4 + 4 * 20


def test_diagonal_neighbours_are_two_and_touch():
    classes = np.full((4, 4), NOTHING)
    classes[:2, :2] = classes[2:, 2:] = 7
    assert len(check(classes)) == 2
    classes[:2, 2] = classes[2, 2] = 7  # joined beside the corner
    assert len(check(classes)) == 1


def test_nothing_gives_no_polygons():
    polygons, ids = outlined([np.full((3, 4), NOTHING)], 3)
    assert len(polygons) == len(ids) == 0
    assert polygons.areas().tolist() == []
