import json
import shutil

import numpy as np
import pytest
import rasterio

from terratorch.cli.demo.command import main
from terratorch.cli.demo.labels import CLASS_NAMES, IGNORE
from terratorch.cli.demo.prepare import LABELS_FILE
from terratorch.cli.demo.report import (
    MAP_FOLDER,
    PICTURE_FILE,
    RECORDS,
    majority_scores,
    read_scores,
    share_as_expected,
)
from terratorch.cli.demo.scene import BANDS
from terratorch.errors import DataError, MissingFileError


def record(path, miou):
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ["test/mIoU", *(f"test/IoU_{name}" for name in CLASS_NAMES)]
    path.write_text(json.dumps(dict.fromkeys(columns, miou)))


@pytest.fixture
def trained(sample):
    """Return a prepared folder with a map and records, as if the steps had been run."""
    main([str(sample)])
    (sample / MAP_FOLDER).mkdir()
    shutil.copy(sample / LABELS_FILE, sample / MAP_FOLDER / "scene.tif")
    for name in RECORDS.values():
        record(sample / name, 0.7)
    return sample


def test_the_report_prints_the_table_and_where_things_are(trained, capsys):
    assert main([str(trained), "--report"]) == 0
    text = capsys.readouterr().out
    rows = {line.split("  ")[0].strip(): line for line in text.splitlines()}
    assert "0.700" in rows["pretrained encoder"]
    assert "0.700" in rows["random weights"]
    assert "majority-class map" in rows
    assert str(trained / PICTURE_FILE) in text
    assert str(trained / MAP_FOLDER / "scene.tif") in text
    assert (trained / PICTURE_FILE).stat().st_size > 1000


def test_a_model_that_has_not_learned_fails(trained, capsys):
    record(trained / RECORDS["pretrained encoder"], 0.4)
    assert main([str(trained), "--report"]) == 1
    assert "The model has not learned" in capsys.readouterr().out


def test_a_step_that_is_missing_is_named(trained):
    (trained / RECORDS["random weights"]).unlink()
    with pytest.raises(MissingFileError, match="terratorch test"):
        main([str(trained), "--report"])
    shutil.rmtree(trained / MAP_FOLDER)
    with pytest.raises(MissingFileError, match=r"there are 0 maps.*terratorch predict"):
        main([str(trained), "--report"])


def test_a_folder_that_is_not_prepared_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=f"terratorch demo {tmp_path}"):
        main([str(tmp_path), "--report"])


def test_the_majority_map_is_scored_on_all_test_pixels(trained):
    names = (trained / "test.txt").read_text().split()
    pixels = []
    for name in names:
        with rasterio.open(trained / f"labels/{name}.tif") as source:
            pixels.append(source.read())
    pixels = np.concatenate(pixels)
    share = (pixels == CLASS_NAMES.index("agriculture")).sum() / (pixels != IGNORE).sum()
    scores = majority_scores(trained)
    assert scores["agriculture"] == pytest.approx(share)
    assert scores["mIoU"] == pytest.approx(share / len(CLASS_NAMES))
    assert scores["water"] == 0


@pytest.mark.parametrize("text", ['{"loss": 0.1}', "[]", "not json"])
def test_a_record_of_something_else_is_named(tmp_path, text):
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"metrics\.json: it does not hold test/IoU_forest"):
        read_scores(path)


def test_the_checks_of_the_whole_map():
    conifer = {"B04": 500, "B08": 1500, "B11": 900}
    lake = {"B04": 700, "B08": 400, "B11": 100}
    field = {"B04": 1000, "B08": 2000, "B11": 2000}
    scene = np.array(
        [[[pixel.get(band, 0) for pixel in (conifer, conifer, lake, field)]] for band in BANDS],
        dtype=np.uint16,
    )
    forest, water = CLASS_NAMES.index("forest"), CLASS_NAMES.index("water")
    shares = share_as_expected(scene, np.array([[forest, 1, water, 1]], dtype=np.uint8))
    assert list(shares.values()) == [0.5, 1.0]
