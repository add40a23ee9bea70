"""`terratorch predict` with flips and rotations, several checkpoints, and uncertainty."""

import csv
import json
import math
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
import yaml

from chip_files import write_tif
from terratorch.cli.main import main
from terratorch.cli.prediction.trainer_run import add_ensemble
from terratorch.contracts.input_spec import InputSpec
from terratorch.datasets.scenes.prediction_dataset import PredictionDataset
from terratorch.errors import ConfigurationError
from terratorch.prediction.options import PredictionOptions
from terratorch.tasks.checkpoint import read_checkpoint
from terratorch.tasks.regression_tasks import PixelwiseRegressionTask
from terratorch.tiles.augmentation import SAME, views_of
from terratorch.tiles.tiling import ChipSize

BOTH = ("flips", "rotations")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A scene that is no square."""
    pixels = np.random.default_rng(1).integers(0, 3000, (6, 40, 48)).astype(np.int16)
    return write_tif(tmp_path_factory.mktemp("scenes") / "north.tif", pixels)


@pytest.fixture
def changed(fitted, tmp_path):
    """Makes a checkpoint that differs from the trained one."""

    def make(name="other.ckpt", weights=0.1, **described):
        content = torch.load(fitted / "checkpoints" / "best.ckpt", weights_only=True)
        generator = torch.Generator().manual_seed(3)
        for key, value in content["state_dict"].items():
            if key.startswith("model.") and value.is_floating_point():
                value += weights * torch.randn(value.shape, generator=generator)
        for key, value in described.items():
            content["terratorch"][key] = value
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return make


def predict(*arguments):
    return main(["predict", *map(str, arguments)])


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.descriptions


def probabilities(checkpoints, scene, views):
    """The probabilities of each view and checkpoint, `(N, C, H, W)`."""
    every = []
    for path in checkpoints:
        checkpoint = read_checkpoint(path)
        task, spec = checkpoint.build_task(), checkpoint.input
        image = spec.normalize(PredictionDataset([scene], spec)[0]["image"][None])
        with torch.no_grad():
            every += [
                view.undo(task(view.apply(image)).output.softmax(1))[0].numpy() for view in views
            ]
    return np.stack(every)


@pytest.mark.parametrize("configured", [False, True])
def test_an_item_names_all_checkpoints(configured, fitted, scene, changed, tmp_path):
    options = ["--predict_data", scene, "--predict_output_dir", tmp_path / "maps", "--stac"]
    options += ["-c", fitted / "given.yaml"] if configured else []
    assert predict("--ckpt_path", fitted / "checkpoints" / "best.ckpt", changed(), *options) == 0
    item = json.loads((tmp_path / "maps" / "north_pred.json").read_text())
    names = [one["name"] for one in item["properties"]["terratorch:checkpoints"]]
    assert names == ["best.ckpt", "other.ckpt"]


@pytest.mark.parametrize("configured", [False, True])
@pytest.mark.parametrize(("augment", "count"), [(BOTH, 1), (("flips",), 2), ((), 2)])
def test_probabilities_are_averaged_and_their_spread_is_written(
    augment, count, configured, fitted, scene, changed, tmp_path
):
    checkpoints = [fitted / "checkpoints" / "best.ckpt", changed()][:count]
    options = ["--predict_data", scene, "--predict_output_dir", tmp_path / "maps"]
    options += ["--outputs", "classes", "probabilities", "--uncertainty", "variance", "entropy"]
    options += ["--augment", *augment] if augment else []
    options += ["-c", fitted / "given.yaml"] if configured else []
    assert predict("--ckpt_path", *checkpoints, *options) == 0
    single = probabilities(checkpoints, scene, views_of(augment))
    mean = single.mean(0)
    given, _ = read(tmp_path / "maps" / "north_pred_probabilities.tif")
    np.testing.assert_allclose(given, mean, atol=1e-5)
    classes, _ = read(tmp_path / "maps" / "north_pred.tif")
    assert np.array_equal(classes[0], given.argmax(0))
    (variance, entropy), names = read(tmp_path / "maps" / "north_pred_uncertainty.tif")
    assert names == ("variance", "entropy")
    np.testing.assert_allclose(variance, single.var(0).sum(0), atol=1e-5)
    expected = -(mean * np.log(mean)).sum(0) / math.log(len(mean))
    np.testing.assert_allclose(entropy, expected, atol=1e-5)
    assert variance.max() > 1e-4


def test_an_entropy_of_one_prediction_leaves_its_map_as_it_is(fitted, scene, tmp_path):
    checkpoint = fitted / "checkpoints" / "best.ckpt"
    options = ("--ckpt_path", checkpoint, "--predict_data", scene, "--predict_output_dir")
    assert predict(*options, tmp_path / "plain") == 0
    assert predict(*options, tmp_path / "more", "--uncertainty", "entropy") == 0
    plain, more = (read(tmp_path / name / "north_pred.tif")[0] for name in ("plain", "more"))
    assert np.array_equal(plain, more)
    (entropy,), names = read(tmp_path / "more" / "north_pred_uncertainty.tif")
    assert names == ("entropy",)
    assert 0 <= entropy.min() <= entropy.max() <= 1


def test_tiles_are_augmented_each_for_itself(fitted, scene, tmp_path):
    config = yaml.safe_load((fitted / "given.yaml").read_text())
    tiles = {"crop": 32, "stride": 24, "delta": 2}
    config["model"]["init_args"]["tiled_inference_parameters"] = tiles
    config |= {"augment": ["rotations"], "uncertainty": ["variance"]}
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config))
    options = ("--predict_data", scene, "--predict_output_dir", tmp_path / "maps")
    assert predict("--ckpt_path", fitted / "checkpoints" / "best.ckpt", "-c", path, *options) == 0
    (variance,), _ = read(tmp_path / "maps" / "north_pred_uncertainty.tif")
    assert variance.shape == (40, 48)
    assert 0 <= variance.min() < variance.max()


def test_other_views_and_checkpoints_make_maps_again(fitted, scene, changed, tmp_path, capsys):
    first, other = fitted / "checkpoints" / "best.ckpt", changed()
    data = ("--predict_data", scene, "--predict_output_dir", tmp_path / "maps")
    runs = [
        ("--ckpt_path", first),
        ("--ckpt_path", first, "--augment", "flips"),
        ("--ckpt_path", first, "--augment", "rotations"),
        ("--ckpt_path", first, other),
        ("--ckpt_path", first, changed("third.ckpt", 0.2)),
    ]
    for run in runs:
        assert predict(*run, *data) == 0
        assert "Wrote 1 file to" in capsys.readouterr().out
    assert predict(*runs[-1], *data) == 0
    assert "Skipped 1 file whose maps" in capsys.readouterr().out


@pytest.mark.parametrize("configured", [False, True])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--augment", "rotations", "--h_crop", "32", "--w_crop", "16"], "tiles of 32 x 16 pixels"),
        (["--uncertainty", "variance"], "uncertainty: variance needs several predictions"),
        (["--further_ckpt_paths", "{first}"], "best.ckpt': is listed twice"),
        (["--augment", "mirror"], "augment"),
        (["--further_ckpt_paths", "nowhere.ckpt"], "nowhere.ckpt"),
        (["--further_ckpt_paths", "{bands}"], "bands: RED, GREEN instead of BLUE, GREEN, RED"),
        (["--further_ckpt_paths", "{classes}"], "class_names: a, b, c instead of forest, crops"),
        (["--further_ckpt_paths", "{task}"], "the task: ClassificationTask instead of Semantic"),
        (["--further_ckpt_paths", "{silent}"], "the input: not stored instead of stored"),
    ],
)
def test_what_does_not_go_together_is_told(
    options, message, configured, fitted, scene, changed, tmp_path, capsys
):
    first = fitted / "checkpoints" / "best.ckpt"
    trained = read_checkpoint(first).input
    two_bands = replace(trained.image, output_bands=("RED", "GREEN"), means=None, stds=None)
    names = {
        "first": first,
        "bands": changed("bands.ckpt", input=InputSpec.single(two_bands).to_dict()),
        "classes": changed("classes.ckpt", class_names=["a", "b", "c"]),
        "task": changed("task.ckpt", task="ClassificationTask"),
        "silent": changed("silent.ckpt", input=None),
    }  # fmt: skip
    options = [option.format(**names) for option in options]
    options += ["-c", fitted / "given.yaml"] if configured else []
    data = ("--predict_data", scene, "--predict_output_dir", tmp_path / "maps")
    assert predict("--ckpt_path", first, *options, *data) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert not list(tmp_path.glob("maps/*.tif"))


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("configured", [False, True])
def test_tiles_as_large_as_chips_that_are_no_squares_are_not_turned(
    configured, several, fitted, scene, changed, tmp_path, capsys
):
    given = [changed("a.ckpt", chip_size=[64, 96])]
    given += [changed("b.ckpt", chip_size=[64, 96])] if several else []
    options = ["-c", fitted / "given.yaml"] if configured else []
    options += ["--predict_data", scene, "--predict_output_dir", tmp_path / "maps"]
    assert predict("--ckpt_path", *given, *options, "--augment", "rotations") == 2
    assert "augment: rotations turn tiles of 64 x 96 pixels, and" in capsys.readouterr().err
    assert not list(tmp_path.glob("maps/*.tif"))
    options += ["--augment", "rotations", "--crop", "32", "--no_quicklook"]
    assert predict("--ckpt_path", *given, *options) == 0


@pytest.mark.parametrize(
    ("size", "options", "used", "other"),
    [
        ((128, 96), {}, "h_crop 64, h_stride 56, delta 2", "h_crop 128, h_stride 112, delta 3"),
        ((128, 96), {"stride": 60}, "h_crop 64, delta 2", "h_crop 128, delta 3"),
        ((128, 96), {"w_crop": 96}, "h_crop 64, h_stride 56", "h_crop 128, h_stride 112"),
        ((128, 96), {"crop": 32}, None, None),
        ((128, 96), {"h_crop": 64, "w_crop": 64}, None, None),
        ((64, 96), {}, None, None),
    ],
)
def test_checkpoints_for_other_tiles_are_told(size, options, used, other, changed, caplog):
    first = read_checkpoint(changed("a.ckpt", chip_size=[64, 96]))
    further = changed("b.ckpt", chip_size=size)
    settings = PredictionOptions(further_ckpt_paths=[str(further)], **options)
    add_ensemble(first.build_task(), settings, first)
    expected = (
        f"Scenes are cut into the tiles of '{first.path}' ({used}), and not of '{further}' "
        f"({other}). Set --crop and --stride for others."
    )
    assert caplog.messages == ([] if used is None else [expected])


TILED = {"tiled_inference_parameters": {"crop": 64, "stride": 32}}


def test_tiles_of_the_configuration_are_told_from_those_of_checkpoints(changed, caplog):
    first = read_checkpoint(changed("a.ckpt"))
    task = replace(first, hyper_parameters={**first.hyper_parameters, **TILED}).build_task()
    further = str(changed("b.ckpt"))
    add_ensemble(task, PredictionOptions(further_ckpt_paths=[further]), first)
    assert "tiles of the configuration (h_crop 64, h_stride 32" in caplog.text


def test_checkpoints_in_two_places_are_refused(fitted, capsys):
    first = fitted / "checkpoints" / "best.ckpt"
    assert predict("--ckpt_path", first, "b.ckpt", "--further_ckpt_paths", "c.ckpt") == 2
    assert "--further_ckpt_paths: set together with several values" in capsys.readouterr().err


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """The checkpoint of a classification, and an image that is no square."""
    from lightning.pytorch import Trainer

    from terratorch.tasks.classification_tasks import ClassificationTask

    folder = tmp_path_factory.mktemp("labelled")
    arguments = {
        "backbone": "timm_resnet18",
        "backbone_in_chans": 2,
        "decoder": "IdentityDecoder",
        "num_classes": 3,
    }
    torch.manual_seed(0)
    task = ClassificationTask(model_args=arguments)
    task.input_spec = InputSpec.create(means=[100.0, 200.0], stds=[50.0, 60.0])
    trainer = Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(task)
    task.trainer = trainer
    trainer.save_checkpoint(folder / "labels.ckpt")
    pixels = np.random.default_rng(5).integers(0, 300, (2, 40, 64)).astype(np.int16)
    return folder / "labels.ckpt", write_tif(folder / "chip.tif", pixels)


def test_labels_of_images_are_augmented_too(labelled, tmp_path):
    checkpoint, chip = labelled
    options = ("--augment", "flips", "rotations", "--uncertainty", "entropy", "variance")
    data = ("--predict_data", chip, "--predict_output_dir", tmp_path, "--num_workers", "0")
    assert predict("--ckpt_path", checkpoint, *data, *options) == 0
    with open(tmp_path / "predictions.csv", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    loaded = read_checkpoint(checkpoint)
    task, spec = loaded.build_task(), loaded.input
    image = spec.normalize(PredictionDataset([chip], spec)[0]["image"][None])
    with torch.no_grad():
        single = torch.stack([task(v.apply(image)).output.softmax(1)[0] for v in views_of(BOTH)])
    given = [float(row[f"probabilities_{index}"]) for index in range(3)]
    np.testing.assert_allclose(given, single.mean(0), atol=1e-5)
    assert float(row["uncertainty_variance"]) == pytest.approx(
        single.var(0, correction=0).sum().item(), abs=1e-6
    )
    assert 0 < float(row["uncertainty_entropy"]) < 1
    assert SAME in views_of(BOTH)


def test_a_batch_of_labels_is_not_empty(labelled, tmp_path, capsys):
    checkpoint, chip = labelled
    data = ("--predict_data", chip, "--predict_output_dir", tmp_path, "--batch_size", "0")
    assert predict("--ckpt_path", checkpoint, *data) == 2
    assert "batch_size: 0 is too small" in capsys.readouterr().err


class _Slope(torch.nn.Module):
    """Values that depend on the column."""

    def forward(self, image):
        return image[:, 0] + torch.arange(image.shape[-1])


class _OwnStep(PixelwiseRegressionTask):
    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        return None


@pytest.mark.parametrize("tiles", [None, {"crop": 4, "stride": 4, "delta": 0}])
def test_values_are_averaged_in_memory_too(tiles):
    task = PixelwiseRegressionTask({}, model=_Slope(), tiled_inference_parameters=tiles)
    add_ensemble(task, PredictionOptions(augment=["flips"], uncertainty=["variance"]), None)
    with torch.no_grad():
        prediction = task.predict_step({"image": torch.zeros(1, 1, 4, 8)}, 0)
    length = 4 if tiles else 8
    columns = torch.arange(length, dtype=torch.float32)
    mean, middle = (length - 1) / 2, (columns - (length - 1) / 2).square()
    torch.testing.assert_close(prediction.main.values, torch.full((1, 4, 8), mean))
    uncertainty = prediction.outputs["uncertainty"].values
    torch.testing.assert_close(uncertainty, middle.repeat(8 // length).expand(1, 1, 4, 8))
    assert prediction.outputs["uncertainty"].band_names == ("variance",)


@pytest.mark.parametrize(
    ("chip", "sides", "fits"),
    [
        (None, {"h_crop": 512}, True),  # the other side is that of the default
        (None, {"h_crop": 256}, False),
        (ChipSize(64, 96), {"h_crop": 96}, True),
        (ChipSize(64, 96), {"w_crop": 96}, False),
        (ChipSize(64, 96), {"crop": 96}, True),
        (ChipSize(64, 96), {"crop": 96, "h_crop": 64}, False),
    ],
)
def test_both_sides_of_tiles_that_are_turned_are_known(chip, sides, fits, monkeypatch):
    task = PixelwiseRegressionTask({}, model=_Slope())
    monkeypatch.setattr(PixelwiseRegressionTask, "chip_size", chip)
    settings = PredictionOptions(augment=["rotations"], **sides)
    with nullcontext() if fits else pytest.raises(ConfigurationError, match="rotations turn tiles"):
        add_ensemble(task, settings, None)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (_OwnStep, {"augment": ["flips"]}, "augment: _OwnStep makes its predictions in its own"),
        (PixelwiseRegressionTask, {"uncertainty": ["entropy"]}, "PixelwiseRegressionTask predicts"),
    ],
)
def test_what_a_task_cannot_do_is_told(kind, given, message):
    with pytest.raises(ConfigurationError, match=message):
        add_ensemble(kind({}, model=_Slope()), PredictionOptions(**given), None)
