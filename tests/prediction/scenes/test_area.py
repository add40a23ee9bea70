"""What is not wanted of a scene costs no model time and comes out as nodata."""

import json
import os

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.warp import transform

from chip_files import write_tif
from scene_parts import tiles
from terratorch.contracts.input_spec import InputSpec
from terratorch.contracts.prediction import Prediction
from terratorch.datasets.scenes.scene_reader import SceneReader
from terratorch.errors import ConfigurationError, DataError, MissingFileError
from terratorch.prediction.maps.writer import Georeference
from terratorch.prediction.outputs.folder import PredictionFolder
from terratorch.prediction.scenes import area as area_module
from terratorch.prediction.scenes.area import Limits
from terratorch.prediction.scenes.planned_scene import ScenePredictor
from terratorch.prediction.scenes.scenes import predict_scenes
from terratorch.tiles.plan import plan_tiles

SPEC = InputSpec.create(means=[100.0], stds=[50.0])
UTM, DEGREES = CRS.from_epsg(32633), CRS.from_epsg(4326)
LEFT, TOP, PIXEL = 500_000, 5_500_000, 10  # of what `write_tif` writes


@pytest.fixture(autouse=True)
def small_strips(monkeypatch):
    """Mask and read few rows at a time, as of large files."""
    monkeypatch.setattr(area_module, "_ROWS", 8)
    monkeypatch.setattr("terratorch.prediction.scenes.strip._LEAST_ROWS", 4)
    monkeypatch.setattr("terratorch.prediction.outputs.raster._ROWS", 5)


def scene(folder, name="scene", size=(40, 31)):
    pixels = np.random.default_rng(sum(size)).integers(1, 500, (1, *size)).astype(np.int16)
    pixels[:, 5:9, 3:20] = -1
    return write_tif(folder / f"{name}.tif", pixels, -1)


class Model:
    """Scores that depend on the neighbours and on nothing else in the batch."""

    def __init__(self):
        self.tiles = 0

    def __call__(self, images, _extras):
        self.tiles += len(images)
        blurred = torch.nn.functional.avg_pool2d(images, 3, 1, 1)
        return torch.cat([images, blurred], 1)


def decide(scores, filename):
    layers = {"prediction": scores.argmax(1), "logits": scores}
    return Prediction.of_tensors(layers, [filename])


def run(paths, folder, limits=None, parameters=None, run="a"):
    model = Model()
    predictor = ScenePredictor(
        open_reader=lambda path: SceneReader(path, SPEC),
        forward=model,
        decide=decide,
        device=torch.device("cpu"),
        tiles=parameters or tiles(),
        run=run,
        limits=limits,
    )
    with PredictionFolder(folder) as maps:
        return predict_scenes(paths, predictor, maps, progress=False), model


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def geojson(path, *rings_of_polygons, **more):
    polygons = [{"type": "Polygon", "coordinates": rings} for rings in rings_of_polygons]
    features = [{"type": "Feature", "properties": {}, "geometry": one} for one in polygons]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features} | more))
    return str(path)


def corners(*pixels):
    """A ring in map units, from `(column, row)`."""
    ring = [(LEFT + PIXEL * column, TOP - PIXEL * row) for column, row in pixels]
    return [*ring, ring[0]]


def wanted_of(path, *arguments):
    reference = Georeference.of(path)
    return Limits.from_options(*arguments).of(reference).rows(0, reference.height)


TRIANGLE = [(2.2, 3.1), (25.7, 12.3), (6.4, 38.9)]


@pytest.mark.parametrize(
    "parameters",
    [
        tiles(),
        tiles(8, 8, 0),
        tiles(16, 5, 3, average_patches=False),
        tiles(blend_overlaps=False),
        tiles(20, 11, 2, padding=False),
        tiles(padding="circular"),
        tiles(64, 48),
    ],
    ids=str,
)
def test_wanted_pixels_are_those_of_the_whole_run(parameters, tmp_path):
    path = scene(tmp_path)
    area = geojson(tmp_path / "a.json", [corners(*TRIANGLE)])
    limits = Limits.from_options(area, "EPSG:32633")
    _, whole = run([path], tmp_path / "whole", None, parameters)
    _, part = run([path], tmp_path / "part", limits, parameters)
    wanted = wanted_of(path, area, "EPSG:32633")
    assert 0 < wanted.sum() < wanted.size
    for layer, nodata in (("pred", 255), ("pred_logits", np.nan)):
        expected = read(tmp_path / "whole" / f"scene_{layer}.tif")
        expected[:, ~wanted] = nodata
        found = read(tmp_path / "part" / f"scene_{layer}.tif")
        assert np.array_equal(found, expected, equal_nan=layer != "pred")
    count = len(plan_tiles(40, 31, parameters))
    assert whole.tiles == count
    assert part.tiles < count or count <= 6  # too few to leave one out


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_mask_leaves_what_the_whole_run_gives(data, tmp_path):
    size = (data.draw(st.integers(1, 30)), data.draw(st.integers(1, 30)))
    crop = data.draw(st.integers(2, 12))
    padding = data.draw(st.sampled_from(["reflect", False]))
    stride = data.draw(st.integers(1, crop))
    parameters = tiles(crop, stride, data.draw(st.integers(0, (crop - stride) // 2)))
    parameters.padding = padding
    path = scene(tmp_path, size=size)
    marked = data.draw(st.lists(st.integers(0, size[0] * size[1] - 1), min_size=1, max_size=3))
    mask = np.zeros(size, np.uint8)
    mask.flat[marked] = 1
    write_tif(tmp_path / "mask.tif", mask)
    limits = Limits.from_options(None, None, str(tmp_path / "mask.tif"))
    for folder, chosen in (("whole", None), ("part", limits)):
        (tmp_path / folder / "scene_pred.tif").unlink(missing_ok=True)  # of the example before
        run([path], tmp_path / folder, chosen, parameters)
    expected = np.where(mask, read(tmp_path / "whole" / "scene_pred.tif")[0], 255)
    assert np.array_equal(read(tmp_path / "part" / "scene_pred.tif")[0], expected)


def test_a_scene_that_the_area_does_not_touch_has_no_map(tmp_path):
    path = scene(tmp_path)
    report, model = run([path], tmp_path / "maps", Limits.from_options("0,0,1,1"))
    assert report.outside == [path]
    assert model.tiles == 0
    assert not list((tmp_path / "maps").iterdir())


@pytest.mark.parametrize(
    "bounds",
    ["15.001,49.647,15.003,49.65", "-180,-90,180,90", "15.0021,0,90,49.651", "170,0,15.002,60"],
)
def test_bounds_in_degrees_hold_the_pixels_whose_centre_is_within(bounds, tmp_path):
    path = scene(tmp_path, size=(60, 50))
    columns, rows = np.meshgrid(np.arange(50) + 0.5, np.arange(60) + 0.5)
    x, y = transform(UTM, DEGREES, (LEFT + PIXEL * columns).ravel(), (TOP - PIXEL * rows).ravel())
    x, y = np.reshape(x, (60, 50)), np.reshape(y, (60, 50))
    west, south, east, north = map(float, bounds.split(","))
    across = (x > west) & (x < east) if west < east else (x > west) | (x < east)
    expected = across & (y > south) & (y < north)
    assert expected.any()
    assert np.array_equal(wanted_of(path, bounds), expected)


@pytest.mark.parametrize(
    ("bounds", "columns"),
    [("-179.9,-17.3,-179.8,-17.1", (20, 30)), ("179.95,-17.3,-179.8,-17.1", (5, 30))],
)
def test_bounds_are_found_in_rasters_that_go_on_beyond_180_degrees(bounds, columns, tmp_path):
    path = write_tif(tmp_path / "scene.tif", np.ones((1, 64, 64), np.int16))
    with rasterio.open(path, "r+") as dataset:
        dataset.crs, dataset.transform = DEGREES, rasterio.Affine(0.01, 0, 179.9, 0, -0.01, -17)
    expected = np.zeros((64, 64), bool)
    expected[10:30, slice(*columns)] = True
    assert np.array_equal(wanted_of(path, bounds), expected)


def test_holes_and_several_polygons_and_the_crs_of_an_old_file(tmp_path):
    path = scene(tmp_path)
    square = corners((2, 2), (12, 2), (12, 12), (2, 12))
    hole = corners((5, 5), (8, 5), (8, 8), (5, 8))
    other = corners((20, 30), (25, 30), (25, 35), (20, 35))
    name = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    area = geojson(tmp_path / "a.geojson", [square, hole], [other], crs=name)
    expected = np.zeros((40, 31), bool)
    expected[2:12, 2:12] = expected[30:35, 20:25] = True
    expected[5:8, 5:8] = False
    assert np.array_equal(wanted_of(path, area), expected)
    with pytest.raises(ConfigurationError, match=r"EPSG:4326, but the file .* has EPSG:32633"):
        wanted_of(path, area, "EPSG:4326")


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "parquet"])
def test_other_formats_are_read_with_geopandas(suffix, tmp_path):
    geopandas = pytest.importorskip("geopandas")
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    path = scene(tmp_path)
    area = geojson(tmp_path / "a.json", [corners(*TRIANGLE)])
    frame = geopandas.read_file(area).set_crs(32633, allow_override=True)
    other = tmp_path / f"a.{suffix}"
    frame.to_parquet(other) if suffix == "parquet" else frame.to_file(other)
    assert np.array_equal(wanted_of(path, str(other)), wanted_of(path, area, "EPSG:32633"))


def test_masks_by_pattern_and_by_folder(tmp_path):
    paths = [scene(tmp_path / "scenes", name) for name in ("north", "south")]
    masks = []
    for row, path in enumerate(paths):
        mask = np.zeros((40, 31), np.float32)
        mask[10 * row : 10 * row + 5] = [[np.nan], [-9], [1], [0], [2]]
        masks.append(np.isin(mask, [1, 2]))
        write_tif(tmp_path / "masks" / path.name, mask, nodata=-9)
    for given_as in (tmp_path / "masks", tmp_path / "masks" / "{stem}.tif"):
        for path, mask in zip(paths, masks, strict=True):
            assert np.array_equal(wanted_of(path, None, None, str(given_as)), mask)
    both = wanted_of(paths[0], "15,49.6,15.001,50", None, str(tmp_path / "masks"))
    assert np.array_equal(both, masks[0] & wanted_of(paths[0], "15,49.6,15.001,50"))


def test_a_scene_without_a_mask_is_left_out_and_the_rest_goes_on(tmp_path):
    paths = [scene(tmp_path / "scenes", name) for name in ("north", "south")]
    mask = write_tif(tmp_path / "masks" / "south.tif", np.ones((40, 31), np.uint8))
    limits = Limits.from_options(None, None, str(tmp_path / "masks"))
    report, _ = run(paths, tmp_path / "maps", limits)
    assert list(report.failures) == paths[:1]
    assert "north.tif: its mask" in str(report.failures[paths[0]])
    assert [file.name for file in report.written] == ["south_pred.tif", "south_pred_logits.tif"]
    report, _ = run(paths, tmp_path / "maps", limits)
    assert report.skipped == paths[1:]
    later = (tmp_path / "maps" / "south_pred.tif").stat().st_mtime + 5
    os.utime(mask, (later, later))
    assert not run(paths, tmp_path / "maps", limits)[0].skipped


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("20,10,30,5",), "there is nothing between these bounds"),
        (("20,10,10,20", "EPSG:32633"), "there is nothing between these bounds"),
        (
            ("500000,5400000,600000,5500000",),
            "is not a longitude and latitude.*--area_crs EPSG:CODE",
        ),
        (("500000,5400000,600000,5500000",), ": 500000,5400000 is not"),
        (("12.52,52.4,12.5,52.5",), "from west 12.52 eastwards to 12.5 it goes round.*Swap them"),
        (("1,2,3",), "area '1,2,3': does not exist.*bounds are four numbers with commas"),
        (("1,2,3,4", "EPSG:xyz"), "area_crs: 'EPSG:xyz' is not a known CRS"),
        ((None, "EPSG:4326"), "area_crs: is set without area"),
        ((None, None, "none.tif"), "valid_mask 'none.tif': does not exist.*{stem}"),
    ],
)
def test_what_cannot_be_used_is_named(arguments, message):
    with pytest.raises((ConfigurationError, MissingFileError), match=message):
        Limits.from_options(*arguments)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no", "is not JSON"),
        ("[]", "is not GeoJSON"),
        ('{"type": "FeatureCollection", "features": []}', "holds no polygons"),
        ('{"type": "Point", "coordinates": [1, 2]}', "holds a Point.*as polygons"),
    ],
)
def test_a_file_without_polygons_is_named(content, message, tmp_path):
    path = tmp_path / "a.geojson"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        Limits.from_options(str(path))


def test_a_mask_on_another_grid_and_a_scene_without_one(tmp_path):
    path = scene(tmp_path)
    mask = write_tif(tmp_path / "mask.tif", np.ones((4, 3), np.uint8))
    with pytest.raises(DataError, match=r"has 4 x 3 pixels, the scene .* 40 x 31"):
        wanted_of(path, None, None, str(mask))
    write_tif(mask, np.ones((40, 31), np.uint8))
    with rasterio.open(mask, "r+") as dataset:
        dataset.transform = rasterio.Affine(10, 0, LEFT + 10, 0, -10, TOP)
    with pytest.raises(DataError, match="covers another area than the scene"):
        wanted_of(path, None, None, str(mask))
    bare = tmp_path / "bare.png"
    shape = {"height": 4, "width": 3, "count": 1, "dtype": "uint8"}
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(bare, "w", driver="PNG", **shape) as png,
    ):
        png.write(np.ones((1, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r"it is not georeferenced.*--valid_mask"):
        wanted_of(bare, "0,0,1,1")
