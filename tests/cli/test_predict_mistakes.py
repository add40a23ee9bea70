"""What is to be predicted, and the values of other options."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from terratorch.cli.main import main
from terratorch.cli.prediction.parser import read_options
from terratorch.errors import ConfigurationError, DataError, MissingFileError
from terratorch.prediction.files import find_scenes
from terratorch.prediction.options import Augment, OutputName, Uncertainty


@pytest.fixture
def scenes(tmp_path):
    for name in ("north/a.tif", "north/b.tif", "south/c.tif", "south/c.txt", "odd[1].tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["north"], ["a.tif", "b.tif"]),
        (["*/*.tif"], ["a.tif", "b.tif", "c.tif"]),
        (["**/*.tif"], ["a.tif", "b.tif", "c.tif", "odd[1].tif"]),
        (["south/?.tif", "north/b.tif"], ["c.tif", "b.tif"]),
        (["north", "north/*.tif", "north/a.tif"], ["a.tif", "b.tif"]),  # each of them once
        (["odd[1].tif"], ["odd[1].tif"]),  # a file of that name is no pattern
    ],
)
def test_files_folders_and_patterns(given, found, scenes):
    files = find_scenes([str(scenes / name) for name in given])
    assert sorted(file.name for file in files) == sorted(found)


def test_a_pattern_that_matches_nothing_is_an_error(scenes):
    with pytest.raises(MissingFileError, match="no file matches this pattern"):
        find_scenes([str(scenes / "*.png")])


def test_folders_in_a_folder_may_be_scenes(scenes):
    (scenes / "odd[1].tif").unlink()
    with pytest.raises(DataError, match=r"nothing but folders.*add --scene_folders"):
        find_scenes([str(scenes)])
    assert find_scenes([str(scenes)], scene_folders=True) == [scenes / "north", scenes / "south"]


def test_equals_signs_in_names_of_folders_are_no_modalities(scenes, monkeypatch):
    monkeypatch.chdir(scenes)
    for name in ("year=2020/p.tif", "year=2021/q.tif", "2020/r.tif"):
        scenes.joinpath(name).parent.mkdir(exist_ok=True)
        scenes.joinpath(name).touch()
    for given in ("year=2020/*.tif", "year=2020", "year=202?/p.tif"):
        assert [file.name for file in find_scenes([given])] == ["p.tif"]


def test_files_of_modalities_are_found_as_others_are(scenes, monkeypatch):
    monkeypatch.chdir(scenes)
    for name in ("one/u/a_x.tif", "one/v/b_x.tif", "two/a.tif", "two/b.tif", "two/notes.xml"):
        scenes.joinpath(name).parent.mkdir(exist_ok=True, parents=True)
        scenes.joinpath(name).touch()
    paired = find_scenes(["tok_s1@224=one/**/*_x.tif", "tok_s2@224=two"])
    assert [scene.name for scene in paired] == ["a", "b"]
    assert paired[1].files == {
        "tok_s1@224": Path("one/v/b_x.tif"),
        "tok_s2@224": Path("two/b.tif"),
    }
    (scenes / "two" / "b.tif").unlink()
    with pytest.raises(DataError, match="scenes have no file of tok_s2@224"):
        find_scenes(["tok_s1@224=one/**/*_x.tif", "tok_s2@224=two"])


# Without torch, which takes seconds to import.
_AT_ONCE = """
import json, shlex, sys
from terratorch.cli.main import main

for options in json.loads(sys.argv[1]):
    assert main(["predict", *shlex.split(options)]) == 2, options
    assert not {"torch", "lightning"} & set(sys.modules), options
"""
_MISTAKES = {
    "--outputs clases": "outputs: 'clases' is not one of classes, probabilities, logits, values,",
    "--uncertainty varience": "not one of entropy, variance. Did you mean 'variance'?",
    "--augment flip": "augment: 'flip' is not one of flips, rotations. Did you mean 'flips'?",
    "--scores_dtype bytes": "'bytes' is not one of float32, float16, uint8. Use one of these.",
    "--format geotif": "'geotif' is not one of gtiff, cog, gpkg, geojson, parquet, csv. Did you",
    "--vectorize gpk": "vectorize: 'gpk' is not one of gpkg, geojson, parquet. Did you mean",
    "--batch_size 0": "batch_size: 0 is too small. Use at least 1.",
    "--batch_size -1": "batch_size: -1 is too small. Use at least 1.",
    "--batch_size x": "batch_size: 'x' is not a whole number. Give a number, or auto.",
    "--crop 0": "crop: 0 is too small. Use at least 1.",
    "--crop 3.5": "crop: 3.5 is not a whole number. Use one such as 8.",
    "--crop 32 --stride 40": "40 is more than h_crop (32), so there are gaps between tiles. Use at",
    "--crop 32 --delta 16": "delta: 16 is dropped along each side of a tile",
    "--padding mirror": "padding: 'mirror' is not a padding mode. Use false or one of reflect",
    "--vector_min_area -1": "vector_min_area: -1 is too small. Use at least 0.",
    "--vector_simplify inf": "vector_simplify: 'inf' is not a number.",
    "--vector_simplify 2": "vector_simplify: 2, but no polygons are written. Add --vectorize gpkg",
    "--uncertainty variance": "is one. Add --augment flips rotations, or several checkpoints",
    "--vectorize gpkg --out_dtype float32": "polygons cannot be made from maps of float32. Use an",
    "--workers 2": "workers: 2, but the work is not distributed. Add --distributed ray.",
}


@pytest.mark.parametrize("configured", [False, True])
def test_mistakes_in_values_are_told_at_once(configured, tmp_path):
    checkpoint, config = tmp_path / "a.ckpt", tmp_path / "c.yaml"
    checkpoint.write_bytes(b"PK\x03\x04")  # as files of torch begin
    config.write_text("model: {class_path: Any}\ndata: {class_path: Any}\n")
    given = f"--ckpt_path {checkpoint} --predict_data {tmp_path} --predict_output_dir {tmp_path}"
    given += f" -c {config}" if configured else ""
    commands = json.dumps([f"{given} {options}" for options in _MISTAKES])
    done = subprocess.run(
        [sys.executable, "-c", _AT_ONCE, commands], capture_output=True, text=True, check=False
    )
    said = done.stderr.splitlines()
    assert done.returncode == 0, done.stderr
    for (options, message), line in zip(_MISTAKES.items(), said, strict=True):
        assert message in line, options


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"outputs": ["clases"]}, "outputs: 'clases' is not one of"),
        ({"outputs": "logit"}, "Did you mean 'logits'?"),
        ({"batch_size": 0}, "batch_size: 0 is too small"),
        ({"crop": 2.5}, "crop: 2.5 is not a whole number"),
        ({"crop": True}, "crop: True is not a whole number"),
        ({"crop": 8, "h_stride": 9}, "h_stride: 9 is more than h_crop"),
        ({"predict_output_dir": 2024}, "predict_output_dir: 2024 is not text. Put it in quotes: '"),
        ({"predict_output_dir": ["a"]}, r"predict_output_dir: \['a'\] is not text. Give one value"),
        ({"valid_mask": 3}, "valid_mask: 3 is not text"),
        ({"area_crs": 4326.0, "area": "9,38,10,39"}, "area_crs: 4326.0 is not text"),
        ({"distributed": "ray", "ray_address": 3}, "ray_address: 3 is not text"),
        ({"further_ckpt_paths": [None]}, "further_ckpt_paths: None is not text. Remove it"),
        ({"outputs": []}, "outputs: the list is empty. Fill it, or remove it"),
        ({"outputs": [["classes"]]}, r"outputs: \['classes'\] is not one of"),
        ({"stac": "false"}, "stac: 'false' is not true or false. Write one of these, without quot"),
        ({"mosaic": 1}, "mosaic: 1 is not true or false"),
        ({"quicklook": "maybe"}, "quicklook: 'maybe' is not true or false"),
        ({"average_patches": "maybe"}, "average_patches: 'maybe' is not true or false"),
        ({"area": [9, 38, -8]}, r"area: \[9, 38, -8\] is not four numbers. Write \[WEST, SOUTH, E"),
        ({"area": [9, 38, True, 39]}, "is not four numbers"),
        ({"area": 3}, "area: 3 is not text"),
    ],
)
def test_mistakes_in_the_yaml_are_told_alike(written, message):
    with pytest.raises(ConfigurationError, match=message):
        read_options([], written)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("ckpt_path: 3", "ckpt_path: 3 is not text. Put it in quotes: '3'."),
        ("ckpt_path: a.ckpt\ncustom_modules_path: [a]", "custom_modules_path: ['a'] is not text."),
        ("ckpt_path: a.ckpt\ntrainer: [a]", "predict_output_dir: is missing"),
    ],
)
def test_paths_in_the_yaml_are_text(written, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ckpt").write_bytes(b"PK\x03\x04")  # as files of torch begin
    sections = "model: {class_path: Any}\ndata: {class_path: Any}\n"
    (tmp_path / "c.yaml").write_text(sections + written)
    folder = [] if "missing" in message else ["--predict_output_dir", "maps"]
    assert main(["predict", "-c", "c.yaml", *folder]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("bounds", [[-9, 38, -8, 39.5], "-9,38,-8,39.5"])
def test_bounds_may_be_a_list_in_the_yaml(bounds):
    assert read_options([], {"area": bounds}).area == "-9,38,-8,39.5"


def test_the_number_of_a_crs_is_its_epsg_code():
    assert read_options([], {"area": "a.gpkg", "area_crs": 32633}).area_crs == "EPSG:32633"
    assert read_options(["--area_crs", "4326"], {}).area_crs == "EPSG:4326"


def test_the_command_line_comes_before_the_yaml():
    written = {"crop": 64, "outputs": ["logits"], "quicklook": False, "vector_min_area": None}
    given = ["--trainer.devices", "1", "--crop=32", "--predict_data", "a", "--augment", "flips"]
    settings = read_options(given, written)
    assert (settings.crop, settings.outputs, settings.augment) == (32, ["logits"], ["flips"])
    assert not settings.quicklook
    read_options(["--uncertainty", "variance", "--augment", "rotations"], {})
    # The other value may be that of the task, or of the checkpoint.
    for given in (["--stride", "999"], ["--delta", "999"], ["--h_crop", "999"]):
        read_options(given, {})


def test_the_names_of_outputs_and_measures_are_those_of_the_parts_that_make_them():
    from terratorch.contracts.outputs import Content
    from terratorch.tiles.augmentation import Augmentation
    from terratorch.tiles.ensemble import Measure

    for words, names in ((OutputName, Content), (Augment, Augmentation), (Uncertainty, Measure)):
        assert list(get_args(words)) == list(names)
