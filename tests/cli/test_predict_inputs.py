"""`terratorch predict`: what is read, what of it is wanted, and in which tiles it runs."""

import numpy as np
import pytest
import rasterio
import yaml

from chip_files import write_tif
from terratorch.cli.main import main
from terratorch.cli.prediction.parser import read_options
from terratorch.errors import ConfigurationError
from terratorch.prediction.options import PredictionOptions

CORNER = "15.0014,49.64,15.01,49.66"  # all but the 10 columns in the west


@pytest.fixture
def scene(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 3000, (6, 40, 48)).astype(np.int16)
    return write_tif(tmp_path / "scenes" / "north.tif", pixels)


@pytest.fixture
def checkpoint(fitted):
    return fitted / "checkpoints" / "best.ckpt"


@pytest.fixture
def predict(checkpoint, tmp_path):
    """Predict into a folder of `tmp_path`, and return the exit code."""

    def run(folder, *arguments):
        given = ("--ckpt_path", checkpoint, "--predict_output_dir", tmp_path / folder, *arguments)
        return main(["predict", *map(str, given), "--no_quicklook"])

    return run


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(1)


TILES = ("--crop", "32", "--stride", "16", "--delta", "2")


def test_an_area_leaves_the_rest_of_the_map_as_it_is(scene, predict, tmp_path, capsys):
    assert predict("all", "--predict_data", scene, *TILES) == 0
    assert "(6 tiles" in capsys.readouterr().out
    assert predict("part", "--predict_data", scene, *TILES, "--area", "15.0055,49.6,16,50") == 0
    assert "(4 tiles" in capsys.readouterr().out
    found, expected = read(tmp_path / "part/north_pred.tif"), read(tmp_path / "all/north_pred.tif")
    wanted = found != 255
    assert wanted.any(axis=0).tolist() == [False] * 40 + [True] * 8
    assert np.array_equal(found[wanted], expected[wanted])


def test_another_area_is_another_run(scene, predict, capsys):
    data = ("--predict_data", scene)
    assert predict("maps", *data) == predict("maps", *data, "--area", CORNER) == 0
    assert "already" not in capsys.readouterr().out
    assert predict("maps", *data, "--area", CORNER) == 0
    assert "Skipped 1 file whose maps are already complete in" in capsys.readouterr().out


def test_scenes_outside_are_listed_and_no_failure(scene, predict, tmp_path, capsys):
    assert predict("maps", "--predict_data", scene, "--area", "-9.2,38.6,-9,38.9") == 0
    shown = capsys.readouterr().out
    assert "Skipped 1 file outside the area and the masks:\n" in shown
    assert str(scene) in shown
    assert not list((tmp_path / "maps").iterdir())


def test_a_mask_in_the_configuration(scene, fitted, predict, tmp_path):
    mask = np.zeros((40, 48), np.uint8)
    mask[3:20, 5:9] = 1
    write_tif(tmp_path / "masks" / "north.tif", mask)
    config = yaml.safe_load((fitted / "given.yaml").read_text())
    config |= {"valid_mask": str(tmp_path / "masks" / "{stem}.tif"), "crop": 32, "padding": False}
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config))
    assert predict("maps", "-c", path, "--predict_data", scene, "--batch_size", "auto") == 0
    assert np.array_equal(read(tmp_path / "maps" / "north_pred.tif") != 255, mask == 1)


def test_bounds_as_a_list_in_the_configuration(scene, fitted, predict, tmp_path):
    config = yaml.safe_load((fitted / "given.yaml").read_text())
    config |= {"area": [float(bound) for bound in CORNER.split(",")], "area_crs": 4326}
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config))
    assert predict("list", "-c", path, "--predict_data", scene) == 0
    assert predict("text", "--predict_data", scene, "--area", CORNER) == 0
    expected = read(tmp_path / "text" / "north_pred.tif")
    assert np.array_equal(read(tmp_path / "list" / "north_pred.tif"), expected)


@pytest.mark.parametrize("options", [("--batch_size", "auto"), ("--batch_size", "3")])
def test_the_batch_size_does_not_change_maps(options, scene, predict, tmp_path, caplog):
    caplog.set_level("INFO", "terratorch")
    data = ("--predict_data", scene, *TILES)
    assert predict("one", *data) == predict("two", *data, *options) == 0
    assert ("batch_size auto:" in caplog.text) == ("auto" in options)
    assert "Tiles as set: crop 32 x 32, stride 16 x 16, delta 2" in caplog.text
    expected = read(tmp_path / "one" / "north_pred.tif")
    assert np.array_equal(read(tmp_path / "two" / "north_pred.tif"), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--area", "somewhere.geojson"), "area 'somewhere.geojson': does not exist"),
        (("--area", "1,2,0,3", "--area_crs", "EPSG:32633"), "nothing between these bounds"),
        (("--area_crs", "EPSG:32633"), "area_crs: is set without area"),
        (("--valid_mask", "mask.tif"), "valid_mask 'mask.tif': does not exist"),
        (("--crop", "32", "--stride", "40"), "h_stride: 40 is more than h_crop (32)"),
        (("--batch_size", "many"), "batch_size: 'many' is not a whole number"),
        (("--num_workers", "2"), "num_workers: 2, but scenes are read by a thread"),
        (("--padding", "mirror"), "padding: 'mirror' is not a padding mode"),
    ],
    ids=str,
)
def test_options_that_cannot_be_used(options, message, scene, predict, tmp_path, capsys):
    assert predict("maps", "--predict_data", scene, *options) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("maps/*"))


def test_options_of_a_prediction_are_refused_elsewhere(fitted, tmp_path, capsys):
    given = str(fitted / "given.yaml")
    assert main(["fit", "-c", given, "--crop", "32"]) == 2
    assert "crop: is an option of terratorch predict, not of fit" in capsys.readouterr().err
    config = yaml.safe_load((fitted / "given.yaml").read_text()) | {"batch_size": 8}
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["test", "-c", str(path)]) == 2
    assert "Did you mean data.init_args.batch_size?" in capsys.readouterr().err


def bands_of(scene, folder, names=("B02", "B03", "green_not", "B8A", "B11", "B12")):
    """Write each band of a scene to a file of its own."""
    with rasterio.open(scene) as dataset:
        for name, band in zip(names, dataset.read(), strict=True):
            write_tif(folder / f"T33_{name}.tif", band)


CODES = ("B02", "B03", "B04", "B8A", "B11", "B12")


def test_a_folder_may_be_one_scene(scene, fitted, predict, tmp_path, capsys):
    for name in ("day_1", "day_2.SAFE"):
        bands_of(scene, tmp_path / "folders" / name, CODES)
    assert predict("one", "--predict_data", scene) == 0
    folders = ("--predict_data", tmp_path / "folders", "--scene_folders")
    assert predict("many", *folders) == 0
    expected = read(tmp_path / "one" / "north_pred.tif")
    for name in ("day_1", "day_2.SAFE"):
        assert np.array_equal(read(tmp_path / "many" / f"{name}_pred.tif"), expected)
    assert predict("many", *folders) == 0
    assert "Skipped 2 files whose maps are already complete in" in capsys.readouterr().out
    pattern = ("--predict_data", tmp_path / "folders" / "*_1", "--scene_folders")
    assert predict("config", "-c", fitted / "given.yaml", *pattern) == 0
    assert np.array_equal(read(tmp_path / "config" / "day_1_pred.tif"), expected)


def test_a_folder_without_a_band_is_named(scene, predict, tmp_path, capsys):
    folder = tmp_path / "day"
    bands_of(scene, folder)
    bands_of(scene, tmp_path / "night", CODES)
    given = ("--predict_data", folder, tmp_path / "night", "--scene_folders")
    message = f"{folder}: no file for the band RED. There are: T33_B02.tif"
    assert predict("strict", *given, "--strict") == 2
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "strict").iterdir())
    assert predict("maps", *given) == 3
    assert f"1 file could not be read:\n  {message}" in capsys.readouterr().err
    assert [file.name for file in (tmp_path / "maps").iterdir()] == ["night_pred.tif"]


def test_choices_and_values_of_several_types_are_read():
    def read(text):
        return read_options(text.split(), {})

    options = read("--padding false --average_patches true --batch_size auto --crop 3 --format cog")
    assert (options.padding, options.average_patches, options.batch_size) == (False, True, "auto")
    assert (options.crop, options.format, options.quicklook) == (3, "cog", True)
    assert read("--batch_size 8 --padding reflect").batch_size == 8
    assert read("--crop null --no_quicklook") == PredictionOptions(quicklook=False)
    with pytest.raises(ConfigurationError, match=r"format: 'gtif' is not one of .* Did you mean"):
        read("--format gtif")
