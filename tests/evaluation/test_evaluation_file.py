"""The file that a report is made from."""

import json
import math
from dataclasses import replace

import pytest

from terratorch.errors import DataError, MissingFileError
from terratorch.evaluation.evaluation import (
    Card,
    ChipScore,
    Evaluation,
    Picture,
    PictureScale,
    SampleSet,
    ShownChip,
    read_evaluation,
)

CHIPS = [
    ChipScore("a.tif", 0.5, cells=((0, 3), (4, 1))),
    ChipScore("b.tif", 0.25, sums=(1.0, 2.0, 3.0, 4.0, 5.0)),
]
PANEL = ShownChip("worst", "a.tif", 0.5, [Picture("Image", "data:,")], "forest")
EVALUATION = Evaluation(
    "segmentation",
    ["forest", "water"],
    255,
    [SampleSet("north", CHIPS, {"mIoU": 0.5}, [PANEL], PictureScale(0, 1, 2))],
    "2026-01-01T00:00:00+00:00",
    "best.ckpt",
    [Card("Model", [("Task", "x")])],
    "seed_everything: 0\n",
    ["a note"],
)


def test_it_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "evaluation.json"
    path.write_text(EVALUATION.to_json())
    assert read_evaluation(path) == EVALUATION


def test_nan_is_null_as_json_has_none(tmp_path):
    path = tmp_path / "evaluation.json"
    empty = SampleSet("", [ChipScore("a.tif", math.nan)], {"loss": math.nan}, [])
    path.write_text(replace(EVALUATION, sets=[empty]).to_json())
    assert "NaN" not in path.read_text()
    read = read_evaluation(path).sets[0]
    assert math.isnan(read.chips[0].score)
    assert math.isnan(read.logged["loss"])


def test_what_is_infinite_is_read_as_it_was(tmp_path):
    path = tmp_path / "evaluation.json"
    chip = ChipScore("a.tif", math.inf, sums=(1.0, 2.0, 4.0, math.inf, math.nan))
    diverged = SampleSet("", [chip], {"loss": math.inf, "R2_Score": -math.inf}, [])
    path.write_text(replace(EVALUATION, sets=[diverged]).to_json())
    json.loads(path.read_text(), parse_constant=pytest.fail)
    (read,) = read_evaluation(path).sets
    assert read.chips[0].score == math.inf
    assert read.chips[0].sums[:4] == chip.sums[:4]
    assert math.isnan(read.chips[0].sums[4])
    assert read.logged == diverged.logged


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON .* `terratorch test` writes this file: run it again"),
        ("[]", "not the result of a test"),
        ('{"format_version": 99}', "has format 99; this release reads up to 1. Use the release"),
        ('{"format_version": 1, "sets": 3}', "is damaged"),
    ],
)
def test_what_cannot_be_read_names_the_file(tmp_path, text, message):
    path = tmp_path / "evaluation.json"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"evaluation\.json: {message}"):
        read_evaluation(path)


def test_what_is_no_file_is_said(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_evaluation(tmp_path)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(MissingFileError, match="does not exist"):
        read_evaluation(tmp_path / "evaluation.json")


def test_a_missing_key_is_said(tmp_path):
    content = json.loads(EVALUATION.to_json())
    del content["sets"][0]["chips"][0]["filename"]
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"is damaged .*filename"):
        read_evaluation(path)
