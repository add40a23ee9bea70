from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from terratorch.cli.demo.chips import CHIP
from terratorch.cli.demo.command import main
from terratorch.cli.demo.labels import IGNORE
from terratorch.cli.demo.prepare import LABELS_FILE, SCENE_FILE, WEIGHTS_FILE, YAML_FILE
from terratorch.cli.demo.scene import BANDS
from terratorch.errors import ConfigurationError, DataError
from terratorch.geo.raster import open_raster, read_raster


def read(path):
    """Return the pixels, and an object that says where they lie."""
    with open_raster(path) as dataset:
        place = SimpleNamespace(**dataset.profile, descriptions=dataset.descriptions)
    return read_raster(path).data, place


def test_the_scene_has_ten_named_bands_on_the_10_m_grid(sample, sample_files):
    assert main([str(sample)]) == 0
    pixels, source = read(sample / SCENE_FILE)
    assert source.descriptions == tuple(BANDS.values())
    assert pixels.dtype == np.uint16
    for band in ("B04", "B8A"):
        original, grid = read(sample_files[f"T33UUU_{band}.jp2"])
        assert (source.transform.c, source.transform.f) == (grid.transform.c, grid.transform.f)
        assert source.transform.a == 10
        index = list(BANDS).index(band)
        assert abs(pixels[index].mean() - original.mean()) < 1
    np.testing.assert_array_equal(pixels[2], read(sample_files["T33UUU_B04.jp2"])[0][0])


def test_chips_are_windows_of_the_scene_and_its_labels(sample):
    main([str(sample)])
    scene, scene_source = read(sample / SCENE_FILE)
    labels, _ = read(sample / LABELS_FILE)
    image, source = read(sample / "images/chip_01_03.tif")
    rows, cols = slice(CHIP, 2 * CHIP), slice(3 * CHIP, 4 * CHIP)
    np.testing.assert_array_equal(image, scene[:, rows, cols])
    assert source.transform.c == scene_source.transform.c + 3 * CHIP * 10
    assert source.transform.f == scene_source.transform.f - CHIP * 10
    assert source.crs == scene_source.crs
    chip_labels, source = read(sample / "labels/chip_01_03.tif")
    np.testing.assert_array_equal(chip_labels, labels[:, rows, cols])
    assert source.nodata == IGNORE


def test_every_chip_is_in_one_split_and_has_labels(sample):
    main([str(sample)])
    splits = {
        name: (sample / f"{name}.txt").read_text().split() for name in ("train", "val", "test")
    }
    listed = [chip for chips in splits.values() for chip in chips]
    assert len(listed) == len(set(listed))
    assert all(splits.values())
    for chip in listed:
        assert (read(sample / f"labels/{chip}.tif")[0] != IGNORE).any()
    # Blocks 2, 4 and 5 train: chips are half as wide.
    assert {int(chip[-2:]) // 2 for chip in splits["train"]} == {2, 4, 5}


def test_the_yaml_names_files_that_are_there(sample):
    main([str(sample), "--seed", "7"])
    document = yaml.safe_load((sample / YAML_FILE).read_text())
    data = document["data"]["init_args"]
    for key in ("train_data_root", "test_label_data_root", "predict_data_root", "val_split"):
        assert str(data[key]).startswith(str(sample))
        assert (sample / data[key]).exists()
    assert (sample / WEIGHTS_FILE).is_file()
    model = document["model"]["init_args"]["model_args"]
    assert model["backbone_ckpt_path"] == str(sample / WEIGHTS_FILE)
    assert document["seed_everything"] == 7
    assert len(data["means"]) == len(data["stds"]) == len(data["dataset_bands"]) == len(BANDS)
    trained = [read(sample / SCENE_FILE)[0][:, :, s] for s in (slice(256, 384), slice(512, 768))]
    mean = np.concatenate(trained, axis=2).mean(axis=(1, 2))
    np.testing.assert_allclose(data["means"], mean * data["constant_scale"], atol=2e-5)


def test_any_path_is_written_so_that_yaml_reads_it_back(sample):
    odd = sample / "it's #1: {demo}"
    main([str(odd)])
    document = yaml.safe_load((odd / YAML_FILE).read_text())
    assert document["data"]["init_args"]["train_data_root"] == str(odd / "images")


def test_the_notices_are_written(sample):
    main([str(sample)])
    text = (sample / "ATTRIBUTION.txt").read_text()
    assert "Contains modified Copernicus Sentinel data 2017" in text
    assert "(c) OpenStreetMap contributors" in text


def test_it_runs_twice_in_a_row(sample, capsys):
    main([str(sample)])
    before = {path: path.read_bytes() for path in sample.rglob("*") if path.is_file()}
    main([str(sample)])
    assert {path: path.read_bytes() for path in sample.rglob("*") if path.is_file()} == before
    assert "land_cover.yaml: written" in capsys.readouterr().out


def test_a_yaml_that_the_user_changed_is_kept_unless_told_otherwise(sample, capsys):
    main([str(sample)])
    path = sample / YAML_FILE
    original = path.read_text()
    path.write_text(original.replace("batch_size: 16", "batch_size: 8"))
    main([str(sample)])
    assert "batch_size: 8" in path.read_text()
    assert "kept, since you have changed it" in capsys.readouterr().out
    main([str(sample), "--overwrite"])
    assert path.read_text() == original


def test_an_unchanged_yaml_follows_new_options(sample):
    main([str(sample)])
    main([str(sample), "--fold", "1", "--seed", "3"])
    assert yaml.safe_load((sample / YAML_FILE).read_text())["seed_everything"] == 3


def test_a_yaml_of_another_origin_is_kept(sample):
    sample.mkdir()
    (sample / YAML_FILE).write_text("trainer: {}\n")
    main([str(sample)])
    assert (sample / YAML_FILE).read_text() == "trainer: {}\n"


def test_a_file_instead_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file: not a folder"):
        main([str(tmp_path / "file")])
    with pytest.raises(ConfigurationError, match=r"file is a file\. Choose another folder"):
        main([str(tmp_path / "file" / "demo")])
