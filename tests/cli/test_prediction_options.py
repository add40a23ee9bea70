"""What is to be predicted, where maps go, and the values of other options."""

import json
import subprocess
import sys
from typing import get_args

import pytest

from terratorch.cli.prediction.options import check_data, check_output_dir
from terratorch.cli.prediction.setting_checks import checked_settings
from terratorch.cli.prediction.settings import Augment, OutputName, Uncertainty
from terratorch.errors import ConfigurationError, DataError, MissingFileError


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
    files = check_data([str(scenes / name) for name in given])
    assert sorted(file.name for file in files) == sorted(found)


def test_a_pattern_that_matches_nothing_is_an_error(scenes):
    with pytest.raises(MissingFileError, match="no file matches this pattern"):
        check_data([str(scenes / "*.png")])


def test_folders_in_a_folder_may_be_scenes(scenes):
    (scenes / "odd[1].tif").unlink()
    with pytest.raises(DataError, match=r"nothing but folders.*add --scene_folders"):
        check_data([str(scenes)])
    assert check_data([str(scenes)], scene_folders=True) == [scenes / "north", scenes / "south"]


def test_a_folder_for_output_is_tried_and_left_as_it_was(scenes):
    check_output_dir(str(scenes / "new" / "maps"))
    assert not (scenes / "new").exists()
    assert not list(scenes.glob(".terratorch*"))
    with pytest.raises(
        ConfigurationError, match=r"my\.option '/proc/maps': /proc cannot be written"
    ):
        check_output_dir("/proc/maps", "my.option")


# Without torch, which takes seconds to import.
_AT_ONCE = """
import json, shlex, sys
from terratorch.cli.main import main

for options in json.loads(sys.argv[1]):
    assert main(["predict", *shlex.split(options)]) == 2, options
    assert not {"torch", "lightning"} & set(sys.modules), options
"""
_MISTAKES = {
    "--outputs clases": "outputs: 'clases' is none of classes, probabilities, logits, values. Did",
    "--uncertainty varience": "none of entropy, variance. Did you mean 'variance'?",
    "--augment flip": "augment: 'flip' is none of flips, rotations. Did you mean 'flips'?",
    "--scores_dtype bytes": "'bytes' is none of float32, float16, uint8. Use one of these.",
    "--format geotif": "format: 'geotif' is none of gtiff, cog. Did you mean 'gtiff'?",
    "--vectorize gpk": "vectorize: 'gpk' is none of gpkg, geojson, parquet. Did you mean 'gpkg'?",
    "--batch_size 0": "batch_size: 0 is too small. Use at least 1.",
    "--batch_size -1": "batch_size: -1 is too small. Use at least 1.",
    "--batch_size x": "batch_size: 'x' is not a whole number. Give a number, or auto.",
    "--crop 0": "crop: 0 is too small. Use at least 1.",
    "--crop 3.5": "crop: '3.5' is not a whole number. Give one, such as 8.",
    "--crop 32 --stride 40": "40 is more than h_crop (32), which leaves gaps between tiles. Use at",
    "--crop 32 --delta 16": "delta: 16 is dropped along each side of a tile",
    "--padding mirror": "padding: 'mirror' is not a padding mode. Use false or one of reflect",
    "--vector_min_area -1": "vector_min_area: -1 is too small. Use at least 0.",
    "--vector_simplify inf": "vector_simplify: 'inf' is not a number.",
    "--vector_simplify 2": "vector_simplify: 2, but no polygons are made. Give --vectorize gpkg",
    "--uncertainty variance": "is one. Add --augment flips rotations, or several checkpoints",
    "--vectorize gpkg --out_dtype float32": "no polygons can be made of maps of float32. Give an",
    "--workers 2": "workers: 2, but nothing is distributed. Add --distributed ray.",
}


@pytest.mark.parametrize("configured", [False, True])
def test_mistakes_in_values_are_told_at_once(configured, tmp_path):
    checkpoint, config = tmp_path / "a.ckpt", tmp_path / "c.yaml"
    checkpoint.touch()
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
        ({"outputs": ["clases"]}, "outputs: 'clases' is none of"),
        ({"outputs": "logit"}, "Did you mean 'logits'?"),
        ({"batch_size": 0}, "batch_size: 0 is too small"),
        ({"crop": 2.5}, "crop: 2.5 is not a whole number"),
        ({"crop": True}, "crop: True is not a whole number"),
        ({"crop": 8, "h_stride": 9}, "h_stride: 9 is more than h_crop"),
    ],
)
def test_mistakes_in_the_yaml_are_told_alike(written, message):
    with pytest.raises(ConfigurationError, match=message):
        checked_settings([], written)


def test_the_command_line_comes_before_the_yaml():
    written = {"crop": 64, "outputs": ["logits"], "quicklook": False, "vector_min_area": None}
    given = ["--trainer.devices", "1", "--crop=32", "--predict_data", "a", "--augment", "flips"]
    settings = checked_settings(given, written)
    assert (settings.crop, settings.outputs, settings.augment) == (32, ["logits"], ["flips"])
    assert not settings.quicklook
    checked_settings(["--uncertainty", "variance", "--augment", "rotations"], {})
    # The other value may be that of the task, or of the checkpoint.
    for given in (["--stride", "999"], ["--delta", "999"], ["--h_crop", "999"]):
        checked_settings(given, {})


def test_the_names_of_outputs_and_measures_are_those_of_the_parts_that_make_them():
    from terratorch.inference.augmentation import Augmentation
    from terratorch.inference.ensemble import Measure
    from terratorch.inference.prediction import Output

    for words, names in ((OutputName, Output), (Augment, Augmentation), (Uncertainty, Measure)):
        assert list(get_args(words)) == list(names)
