"""`terratorch predict` writes the outputs that are asked for, in the form that is asked for."""

import csv

import numpy as np
import pytest
import rasterio
import torch
import yaml
from PIL import Image

from chip_files import write_tif
from map_files import write_maps
from terratorch.cli.main import main
from terratorch.prediction.maps.encoding import PROBABILITY_STEP
from terratorch.tasks.predicting import prediction_of

NAMES = ("forest", "crops", "water")


@pytest.fixture
def scene(tmp_path):
    pixels = np.random.default_rng(2).integers(0, 3000, (6, 40, 48)).astype(np.int16)
    return write_tif(tmp_path / "scene.tif", pixels) or tmp_path / "scene.tif"


@pytest.fixture
def predict(fitted, scene, tmp_path):
    """Run the command with options, and return its code and the folder of the maps."""

    def run(*options, configured=False):
        config = ("-c", fitted / "given.yaml") if configured else ()
        arguments = ["--ckpt_path", fitted / "checkpoints" / "best.ckpt", *config]
        arguments += ["--predict_data", scene, "--predict_output_dir", tmp_path / "maps", *options]
        return main(["predict", *map(str, arguments)]), tmp_path / "maps"

    return run


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.descriptions, dataset.tags()


@pytest.mark.parametrize("configured", [False, True])
def test_classes_and_probabilities_at_once(configured, predict):
    options = ("--outputs", "probabilities", "classes", "--no_quicklook")
    code, maps = predict(*options, configured=configured)
    assert code == 0
    assert {file.name for file in maps.iterdir()} == {
        "scene_pred.tif",
        "scene_pred_probabilities.tif",
    }
    classes, names, tags = read(maps / "scene_pred.tif")
    scores, bands, _ = read(maps / "scene_pred_probabilities.tif")
    assert (names, bands) == (("class",), NAMES)
    assert "CLASS_NAMES" in tags
    assert np.array_equal(scores.argmax(0), classes[0])
    assert np.allclose(scores.sum(0), 1, atol=1e-5)


def test_scores_alone_are_the_map_and_bytes_are_close_to_them(predict):
    assert predict("--outputs", "probabilities")[0] == 0
    code, maps = predict("--outputs", "probabilities", "--output_file_prefix", "small_",
                         "--scores_dtype", "uint8")  # fmt: skip
    assert code == 0
    exact, names, _ = read(maps / "scene_pred.tif")
    with rasterio.open(maps / "small_scene_pred.tif") as dataset:
        assert dataset.dtypes == ("uint8",) * 3
        assert dataset.nodata == 255
        stored = dataset.read() * np.array(dataset.scales).reshape(3, 1, 1)
    assert names == NAMES
    assert np.abs(stored - exact).max() <= PROBABILITY_STEP / 2 + 1e-6


def test_other_outputs_make_maps_again_and_the_same_do_not(predict, capsys):
    predict("--outputs", "classes")
    for options in (["--outputs", "logits"], ["--outputs", "logits", "--format", "cog"]):
        predict(*options)
        assert "Wrote 1 file to" in capsys.readouterr().out
        predict(*options)
        assert "Skipped 1 file whose maps" in capsys.readouterr().out


def test_layers_of_other_options_beside_new_maps_are_told(predict, capsys):
    said = "Kept 1 file of an earlier run with other options: scene_pred_prob"
    predict("--outputs", "classes", "probabilities", "--no_quicklook")
    assert said not in capsys.readouterr().out
    predict("--outputs", "classes", "--crop", "24", "--no_quicklook")
    assert said in capsys.readouterr().out
    predict("--outputs", "classes", "probabilities", "--crop", "24", "--no_quicklook")
    assert said not in capsys.readouterr().out


def test_a_cloud_optimised_map(predict):
    code, maps = predict("--format", "cog")
    assert code == 0
    with rasterio.open(maps / "scene_pred.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--outputs probabilites", "vectors. Did you mean 'probabilities'?"),
        ("--outputs values", "Outputs: classes, probabilities, logits."),
        ("--scores_dtype uint8", "scores_dtype: uint8, but no scores are written, only classes"),
        ("--outputs logits --scores_dtype uint8", "logits have no fixed range"),
        ("--outputs probabilities --out_dtype uint8", "To save space, use --scores_dtype uint8"),
    ],
)
def test_what_cannot_be_written_is_told(options, message, predict, capsys):
    code, maps = predict(*options.split())
    assert code == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list(maps.glob("*.tif"))


def test_what_is_written_may_stand_in_the_configuration(fitted, scene, tmp_path):
    config = yaml.safe_load((fitted / "given.yaml").read_text())
    config |= {"outputs": ["classes", "logits"], "quicklook": False, "format": "cog"}
    config |= {"predict_data": [str(scene)], "predict_output_dir": str(tmp_path / "maps")}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    checkpoint = str(fitted / "checkpoints" / "best.ckpt")
    assert main(["predict", "-c", str(tmp_path / "c.yaml"), "--ckpt_path", checkpoint]) == 0
    names = {file.name for file in (tmp_path / "maps").iterdir()}
    assert names == {"scene_pred.tif", "scene_pred_logits.tif"}


def test_a_picture_is_beside_each_map_and_comes_back(predict):
    _, maps = predict()
    with Image.open(maps / "scene_pred.png") as picture:
        assert picture.size[0] > 400
    (maps / "scene_pred.png").unlink()
    assert predict()[0] == 0
    assert (maps / "scene_pred.png").is_file()


def test_a_picture_that_fails_leaves_the_map(predict, monkeypatch, capsys, caplog):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("terratorch.prediction.products.quicklook.draw_panels", fail)
    _, maps = predict()
    assert {file.name for file in maps.iterdir()} == {"scene_pred.tif"}
    assert "scene_pred.png: the picture could not be made" in caplog.text + capsys.readouterr().err


def label_rows(path):
    return list(csv.reader(path.read_text().splitlines()))


@pytest.mark.parametrize(
    ("outputs", "columns"),
    [
        (None, ["probability", "probabilities_a", "probabilities_b"]),
        (["classes"], []),
        (["classes", "logits"], ["logits_a", "logits_b"]),
        (["probabilities"], ["probability", "probabilities_a", "probabilities_b"]),
    ],
)
def test_labels_have_the_columns_that_are_asked_for(outputs, columns, tmp_path):
    from terratorch.tasks import ClassificationTask

    task = ClassificationTask({"num_classes": 2}, model=torch.nn.Identity(), class_names=["a", "b"])
    if outputs is not None:
        task.objective.choose_outputs(outputs)
    prediction = prediction_of(task.objective, torch.tensor([[0.0, 2.0]]), ["image.tif"])
    (path,) = write_maps(prediction, tmp_path)
    header, row = label_rows(path)
    assert header == ["filename", "class_id", "class_name", *columns]
    assert row[:3] == ["image.tif", "1", "b"]
    assert len(row) == len(header)
