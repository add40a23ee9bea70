"""Where files lie on the globe."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine, from_origin

from terratorch.evaluation.places import bounds_of_file, bounds_of_files

_LOCAL = 'LOCAL_CS["of a drone",UNIT["metre",1]]'


def _write(path, crs, transform):
    profile = {"driver": "GTiff", "count": 1, "height": 10, "width": 10, "dtype": "uint8"}
    with rasterio.open(path, "w", crs=crs, transform=transform, **profile) as dataset:
        dataset.write(np.ones((1, 10, 10), np.uint8))
    return str(path)


def test_bounds_are_in_degrees(tmp_path):
    degrees = _write(tmp_path / "a.tif", "EPSG:4326", from_origin(10, 50, 0.1, 0.1))
    metres = _write(tmp_path / "b.tif", "EPSG:32633", from_origin(500_000, 5_500_000, 10, 10))
    first, second = bounds_of_files([degrees, metres])
    assert first == pytest.approx((10, 49, 11, 50))
    assert second == pytest.approx((15, 49.65, 15, 49.65), abs=0.01)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (Affine(0.1, 0, 10, 0, 0.1, 49), (10, 49, 11, 50)),  # rows run upwards
        (Affine(-0.1, 0, 11, 0, -0.1, 50), (10, 49, 11, 50)),  # columns run westwards
        (Affine(0, 0.1, 10, 0.1, 0, 49), (10, 49, 11, 50)),  # a quarter turned
        (Affine(0.1, 0, 179.5, 0, -0.1, 50), (179.5, 49, -179.5, 50)),  # across the antimeridian
        (Affine(0.1, 0, 190, 0, -0.1, 50), (-170, 49, -169, 50)),
        (Affine(0.1, 0, 180, 0, -0.1, 50), (-180, 49, -179, 50)),
        (Affine(0.1, 0, -181, 0, -0.1, 50), (179, 49, 180, 50)),
        (Affine(36, 0, 0, 0, -18, 90), (-180, -90, 180, 90)),
    ],
)
def test_bounds_are_those_of_any_grid(transform, expected, tmp_path):
    path = _write(tmp_path / "a.tif", "EPSG:4326", transform)
    assert bounds_of_file(path) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (None, from_origin(0, 10, 1, 1)),
        ("EPSG:4326", from_origin(10, 500, 1, 1)),
        (_LOCAL, from_origin(3, 5, 1, 1)),
        ("EPSG:32633", Affine(1e9, 0, 1e12, 0, -1e9, 1e12)),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_has_no_place_has_no_bounds(crs, transform, tmp_path):
    assert bounds_of_file(_write(tmp_path / "a.tif", crs, transform)) is None


def test_a_name_that_is_no_file_has_no_bounds(tmp_path):
    (tmp_path / "a.txt").write_text("no image")
    assert bounds_of_files(["sample 3", str(tmp_path / "a.txt")]) == [None, None]
