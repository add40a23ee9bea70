"""Polygons of class maps: what they cover, where they lie, how large they are."""

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize
from rasterio.transform import from_origin

from chip_files import files_of_at_most
from terratorch.contracts.outputs import Content
from terratorch.errors import DataError
from terratorch.geo.grid import PixelGrid
from terratorch.geo.ground_area import GroundArea
from terratorch.prediction.maps.encoding import Encoding
from terratorch.prediction.maps.writer import Georeference, MapWriter
from terratorch.prediction.products.products import FinishedMap, Products
from terratorch.prediction.products.tracing import simplified
from terratorch.prediction.products.vectorize import CLASS_BAND, PolygonFile

geopandas = pytest.importorskip("geopandas")
shapely = pytest.importorskip("shapely")

UTM = {"crs": rasterio.CRS.from_epsg(32633), "transform": from_origin(500_000, 5_800_000, 10, 10)}
LON_LAT = {"crs": rasterio.CRS.from_epsg(4326), "transform": from_origin(15, 52, 1e-4, 1e-4)}
NAMES = ("background", "water", "forest")


def write_map(path, classes, place=UTM, names=NAMES, dtype="uint8", probabilities=None):
    """Write a map as a prediction does; 255 is nodata."""
    import torch

    height, width = classes.shape
    reference = Georeference(str(path), height, width, **place)
    layers = {"prediction": path}
    valid = torch.from_numpy(classes != 255)
    filled = torch.from_numpy(np.where(classes == 255, 0, classes).astype(np.int64))
    encoding = Encoding(dtype, (CLASS_BAND,), names, Content.CLASSES)
    with MapWriter(path, reference, encoding) as writer:
        writer.write_rows(0, filled[None], valid)
    if probabilities is not None:
        layers["probabilities"] = path.with_name(f"{path.stem}_probabilities.tif")
        encoding = Encoding("float32", tuple(map(str, range(len(probabilities)))))
        with MapWriter(layers["probabilities"], reference, encoding) as writer:
            writer.write_rows(0, torch.from_numpy(probabilities), valid)
    return FinishedMap(str(path), layers)


def patches(size=90, seed=0):
    """Classes in patches of several pixels, with some nodata."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 3, (size // 3, size // 3)).repeat(3, 0).repeat(3, 1)
    noise = random.random(coarse.shape) < 0.05
    classes = np.where(noise, (coarse + 1) % 3, coarse).astype(np.uint8)
    classes[:7, :9] = 255
    return classes


def polygons_of(finished, file_format="gpkg", **options):
    products = Products(of_maps=[PolygonFile(file_format, **options)], strict=True)
    products.take(finished)
    (path,) = products.written
    read = geopandas.read_parquet if file_format == "parquet" else geopandas.read_file
    return read(path), path


@pytest.mark.parametrize("file_format", ["gpkg", "parquet"])
def test_polygons_cover_the_pixels_of_their_class_and_no_others(file_format, tmp_path):
    classes = patches()
    frame, _ = polygons_of(write_map(tmp_path / "a_pred.tif", classes), file_format)
    assert frame.crs.to_epsg() == 32633
    assert frame.geometry.is_valid.all()
    drawn = rasterize(
        zip(frame.geometry, frame["class_id"], strict=True),
        classes.shape,
        fill=255,
        transform=UTM["transform"],
        dtype="uint8",
    )
    assert np.array_equal(drawn, classes)
    assert list(frame["class_name"]) == [NAMES[index] for index in frame["class_id"]]
    for index in range(3):
        area = frame["area_m2"][frame["class_id"] == index].sum()
        assert area == pytest.approx(100 * (classes == index).sum())


def test_a_polygon_across_blocks_is_one(tmp_path):
    classes = np.zeros((600, 1100), np.uint8)
    classes[100:590, 20:1080] = 1
    frame, _ = polygons_of(write_map(tmp_path / "a_pred.tif", classes))
    assert sorted(frame["class_id"]) == [0, 1]
    assert frame["area_m2"].tolist() == frame.area.tolist()


def test_geojson_is_in_lon_lat_and_wound_as_the_standard_says(tmp_path):
    classes = np.zeros((40, 40), np.uint8)
    classes[10:20, 10:30] = 1
    _, path = polygons_of(write_map(tmp_path / "a_pred.tif", classes), "geojson")
    content = json.loads(path.read_text())
    assert "crs" not in content
    for feature in content["features"]:
        outer, *holes = feature["geometry"]["coordinates"]
        assert shapely.LinearRing(outer).is_ccw
        assert not any(shapely.LinearRing(hole).is_ccw for hole in holes)
    longitude, latitude = outer[0]
    assert 14.9 < longitude < 15.1
    assert 52.2 < latitude < 52.4


@pytest.mark.parametrize("place", [LON_LAT, UTM])
def test_areas_are_those_on_the_ground(place, tmp_path):
    pyproj = pytest.importorskip("pyproj")
    classes = np.zeros((60, 60), np.uint8)
    classes[10:40, 20:50] = 1
    frame, _ = polygons_of(write_map(tmp_path / "a_pred.tif", classes, place))
    lon_lat = frame.to_crs(4326)
    for polygon, area in zip(lon_lat.geometry, frame["area_m2"], strict=True):
        geodesic = abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(polygon)[0])
        assert area == pytest.approx(geodesic, rel=1e-3)


def test_areas_of_web_mercator_are_not_those_of_its_plane():
    transform = from_origin(1_700_000, 6_800_000, 10, 10)
    ground = GroundArea(PixelGrid(rasterio.CRS.from_epsg(3857), transform, 100, 100))
    (area,) = ground.of(np.array([shapely.box(0, 0, 10, 10)]))
    assert area == pytest.approx(10_000 * np.cos(np.radians(52.0)) ** 2, rel=0.02)
    assert ground.pixel_side == pytest.approx(10 * np.cos(np.radians(52.0)), rel=0.02)


@pytest.mark.parametrize("west", [179.9, -0.3, 359.9])
def test_areas_across_the_antimeridian_are_those_elsewhere(west):
    def area(left):
        transform = from_origin(left, -17, 0.01, 0.01)
        grid = PixelGrid(rasterio.CRS.from_epsg(4326), transform, 64, 64)
        return GroundArea(grid).of(np.array([shapely.box(0, 0, 64, 64), shapely.box(9, 9, 11, 11)]))

    assert area(west) == pytest.approx(area(15.0), rel=1e-9)


def test_small_polygons_are_left_out(tmp_path):
    finished = write_map(tmp_path / "a_pred.tif", patches())
    everything, _ = polygons_of(finished)
    large, _ = polygons_of(finished, min_area=900)
    assert 0 < len(large) < len(everything)
    assert large["area_m2"].min() >= 900
    assert len(large) == (everything["area_m2"] >= 900).sum()


def test_simplified_neighbours_still_share_their_borders(tmp_path):
    finished = write_map(tmp_path / "a_pred.tif", patches())
    exact, _ = polygons_of(finished)
    simple, _ = polygons_of(finished, tolerance=30)
    corners = [shapely.get_num_coordinates(frame.geometry).sum() for frame in (exact, simple)]
    assert corners[1] < 0.8 * corners[0]
    assert simple.geometry.is_valid.all()
    assert shapely.coverage_is_valid(simple.geometry.to_numpy())
    assert simple.union_all().area == pytest.approx(simple.area.sum())


@pytest.mark.parametrize("seed", range(5))
def test_any_map_is_a_coverage(seed, tmp_path):
    classes = np.random.default_rng(seed).integers(0, 3, (24, 31)).astype(np.uint8)
    frame, _ = polygons_of(write_map(tmp_path / "a_pred.tif", classes, place={}))
    assert frame.geometry.is_valid.all()
    made = simplified(frame.geometry.to_numpy(), 0.5)
    assert shapely.is_valid(made).all()
    assert shapely.coverage_is_valid(made)
    assert shapely.area(made).sum() == pytest.approx(classes.size)


def test_the_mean_probability_is_that_of_the_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "terratorch.prediction.products.tracing._VALUES", 4 * 60 * 7
    )  # strips of 7 rows
    random = np.random.default_rng(3)
    classes = patches(60)
    probabilities = random.random((3, 60, 60)).astype(np.float32)
    finished = write_map(tmp_path / "a_pred.tif", classes, probabilities=probabilities)
    frame, _ = polygons_of(finished)
    for row in frame.itertuples():
        inside = rasterize(
            [row.geometry], classes.shape, transform=UTM["transform"], dtype="uint8"
        ).astype(bool)
        expected = probabilities[row.class_id][inside].mean()
        assert row.probability == pytest.approx(expected, rel=1e-4)


def test_a_map_without_georeference(tmp_path):
    finished = write_map(tmp_path / "a_pred.tif", patches(), place={})
    frame, _ = polygons_of(finished)
    assert frame.crs is None
    assert frame.total_bounds.tolist() == [0, 0, 90, 90]
    assert frame["area"].sum() == 90 * 90 - 7 * 9
    with pytest.raises(DataError, match="holds longitude and latitude only"):
        polygons_of(finished, "geojson")


@pytest.mark.parametrize("file_format", ["gpkg", "geojson", "parquet"])
def test_a_map_of_nodata_gives_an_empty_file(file_format, tmp_path):
    finished = write_map(tmp_path / "a_pred.tif", np.full((20, 20), 255, np.uint8))
    frame, _ = polygons_of(finished, file_format, tolerance=20)
    assert len(frame) == 0


def test_a_map_of_values_is_refused(tmp_path):
    import torch

    path = tmp_path / "a_pred.tif"
    reference = Georeference(str(path), 8, 8, **UTM)
    with MapWriter(path, reference, Encoding("float32", ("prediction",))) as writer:
        writer.write_rows(0, torch.zeros(1, 8, 8))
    with pytest.raises(DataError, match="it is not a map of classes"):
        polygons_of(FinishedMap(str(path), {"prediction": path}))


@pytest.mark.parametrize("file_format", ["gpkg", "geojson", "parquet"])
def test_only_what_is_missing_or_of_other_settings_is_made(file_format, tmp_path):
    finished = write_map(tmp_path / "a_pred.tif", patches())

    def made(**options) -> list[Path]:
        products = Products(of_maps=[PolygonFile(file_format, **options)])
        products.take(finished)
        assert not products.failures
        return products.written

    assert len(made()) == 1
    assert made() == []
    assert len(made(min_area=300)) == 1
    assert made(min_area=300) == []
    write_map(tmp_path / "a_pred.tif", patches(seed=1))
    assert len(made(min_area=300)) == 1
    assert {file.name for file in tmp_path.iterdir()} == {
        "a_pred.tif",
        f"a_pred.{file_format}",
    }


def test_a_geopackage_is_one_whole_file(tmp_path):
    _, path = polygons_of(write_map(tmp_path / "a_pred.tif", patches()))
    with sqlite3.connect(path) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        (check,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    assert (mode, check) == ("delete", "ok")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a_pred.gpkg", "a_pred.tif"]


def test_a_product_that_fails_is_told_and_the_map_stays(tmp_path):
    finished = write_map(tmp_path / "a_pred.tif", patches(), place={})
    products = Products(of_maps=[PolygonFile("geojson"), PolygonFile("gpkg")])
    products.take(finished)
    assert [path.name for path in products.written] == ["a_pred.gpkg"]
    assert [path.name for path in products.failures] == ["a_pred.geojson"]
    assert finished.path.exists()


@pytest.mark.parametrize("file_format", ["gpkg", "geojson", "parquet"])
def test_a_full_disk_is_told_and_nothing_half_is_left(file_format, tmp_path, monkeypatch):
    finished = write_map(tmp_path / "a_pred.tif", np.random.default_rng(0).integers(0, 3, (90, 90)))
    left = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: left)
    products = Products(of_maps=[PolygonFile(file_format)])
    with files_of_at_most(10_000):
        products.take(finished)
    (failure,) = products.failures.values()
    assert str(failure).startswith(f"{tmp_path}/a_pred.{file_format}: the polygons could not be")
    assert "(the disk is full: " in str(failure)
    assert [file.name for file in tmp_path.iterdir()] == ["a_pred.tif"]
