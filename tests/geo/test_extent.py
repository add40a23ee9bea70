"""Where rasters and points lie on the globe."""

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine

from grids import LOCAL, MARS
from terratorch.geo.extent import lon_lat_bounds, lon_lat_points

OF_NO_PLACE = pytest.mark.parametrize("crs", [LOCAL, MARS], ids=["local", "mars"])


@pytest.fixture
def bounds(tmp_path):
    """Return the bounds of a raster of this grid."""

    def found(crs, transform, height=10, width=20):
        path = tmp_path / "raster.tif"
        shape = {"height": height, "width": width, "count": 1, "dtype": "uint8"}
        with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **shape):
            pass
        with rasterio.open(path) as dataset:
            return lon_lat_bounds(dataset)

    return found


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        pytest.param(Affine(0.1, 0, 10, 0, -0.1, 50), (10, 49, 12, 50), id="north-up"),
        pytest.param(Affine(0.1, 0, 10, 0, 0.1, 49), (10, 49, 12, 50), id="south-up"),
        pytest.param(Affine(-0.1, 0, 12, 0, -0.1, 50), (10, 49, 12, 50), id="right to left"),
        pytest.param(Affine(0, 0.1, 10, 0.1, 0, 48), (10, 48, 11, 50), id="rotated"),
        pytest.param(Affine(0.1, 0.1, 10, 0.1, -0.1, 48), (10, 47, 13, 50), id="askew"),
        pytest.param(Affine(0.1, 0, 179, 0, -0.1, 1), (179, 0, -179, 1), id="antimeridian"),
        pytest.param(Affine(0.1, 0, 200, 0, -0.1, 1), (-160, 0, -158, 1), id="beyond 180"),
        pytest.param(Affine(0.1, 0, 358, 0, -0.1, 1), (-2, 0, 0, 1), id="up to 360"),
        pytest.param(Affine(0.1, 0, 178, 0, -0.1, 1), (178, 0, 180, 1), id="up to 180"),
        pytest.param(Affine(18, 0, 0, 0, -18, 90), (-180, -90, 180, 90), id="the world"),
    ],
)
def test_bounds_of_degrees(transform, expected, bounds):
    assert bounds("EPSG:4326", transform) == pytest.approx(expected)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4258"])
def test_pixels_around_the_poles_end_there(crs, bounds):
    """As those of reanalyses: 721 rows of a quarter of a degree, of which the first is the pole."""
    found = bounds(crs, Affine(0.25, 0, -0.125, 0, -0.25, 90.125), 721, 1440)
    assert found is not None
    assert found[1::2] == (-90, 90)
    assert bounds(crs, Affine(0.25, 0, 10, 0, 0.25, -90.125), 4, 4) == pytest.approx(
        (10, -90, 11, -89.125)
    )


@pytest.mark.parametrize("top", [90.26, 95, 5_000_000])
def test_latitudes_further_beyond_the_poles_are_none(top, bounds):
    assert bounds("EPSG:4326", Affine(0.25, 0, 10, 0, -0.25, top)) is None


def test_a_grid_of_metres(bounds):
    west, south, east, north = bounds("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_500_000))
    assert (west, north) == pytest.approx((15, 49.65), abs=0.01)
    assert west < east < west + 0.01
    assert north - 0.01 < south < north


def test_a_pole_in_a_raster_is_within_its_bounds(bounds):
    found = bounds("EPSG:3413", Affine(1e4, 0, -1e5, 0, -1e4, 5e4))
    assert found[::2] == (-180, 180)
    assert found[3] == pytest.approx(90)
    assert found[1] == pytest.approx(89, abs=0.1)


@OF_NO_PLACE
def test_a_grid_that_leads_to_no_degrees_has_no_bounds(crs, bounds):
    assert bounds(crs, Affine(10, 0, 1000, 0, -10, 1000)) is None


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_without_a_crs_or_a_transform_there_are_no_bounds(bounds):
    assert bounds(None, Affine(10, 0, 1000, 0, -10, 1000)) is None
    assert bounds("EPSG:4326", Affine.identity()) is None


def test_points_keep_their_shape():
    xs, ys = np.meshgrid([500_000.0, 500_010.0, 500_020.0], [5_500_000.0, 5_500_010.0])
    points = lon_lat_points(CRS.from_epsg(32633), xs, ys)
    assert points.shape == (2, 3, 2)
    assert points[0, 0] == pytest.approx((15, 49.65), abs=0.01)
    assert (np.diff(points[..., 0], axis=1) > 0).all()
    assert (np.diff(points[..., 1], axis=0) > 0).all()


@OF_NO_PLACE
def test_points_without_a_place_on_the_globe(crs):
    assert lon_lat_points(CRS.from_wkt(crs), np.zeros(2), np.zeros(2)) is None


def test_a_point_far_off_has_no_place():
    far = np.array([500_000.0, 1e30])
    assert lon_lat_points(CRS.from_epsg(32633), far, far) is None
