"""Validation and tests on whole scenes: by tiles where that is asked for, and said."""

import logging

import pytest
import torch
from task_tester import PixelModel, loader, trainer

from terratorch.contracts.model_description import ModelDescription
from terratorch.tasks.regression_tasks import PixelwiseRegressionTask
from terratorch.tasks.segmentation_tasks import SemanticSegmentationTask
from terratorch.tasks.settings import TaskSettings, TileSettings
from terratorch.tasks.whole_scenes import SceneTiles
from terratorch.tiles.tiling import ChipSize

TILES = {"crop": 6, "stride": 4, "delta": 1, "batch_size": 3}
STAGES = {"testing": "test", "validation": "validate"}


@pytest.fixture(autouse=True)
def small_scenes(monkeypatch, caplog):
    """Let 6 pixels a side be large, and a tile as long."""
    monkeypatch.setattr("terratorch.tasks.whole_scenes.MOST_WHOLE", 6)
    monkeypatch.setattr("terratorch.tiles.tiling._CROP", 6)
    caplog.set_level(logging.INFO, "terratorch")


def segmentation(**arguments):
    torch.manual_seed(0)
    return SemanticSegmentationTask({"num_classes": 4}, model=PixelModel(), **arguments)


def regression(**arguments):
    torch.manual_seed(0)
    return PixelwiseRegressionTask({}, model=PixelModel(1), **arguments)


def targets(task):
    torch.manual_seed(1)
    return torch.rand(5, 8, 8) if task is regression else torch.randint(0, 4, (5, 8, 8))


def run(task, stage, target):
    tester = trainer()
    return getattr(tester, STAGES[stage])(task, loader(target, "mask", 1), verbose=False)[0]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("task", [segmentation, regression])
@pytest.mark.parametrize("parameters", [None, TILES])
def test_tiles_give_the_metrics_of_the_whole(stage, task, parameters, caplog):
    target = targets(task)
    whole = run(task(), stage, target)
    caplog.clear()
    tiled = task(
        **{f"tiled_inference_on_{stage}": True}, tiled_inference_parameters=parameters
    )  # fmt: skip
    assert run(tiled, stage, target) == pytest.approx(whole, rel=1e-4)
    crop = (
        "crop 6 x 6, stride 4 x 4, delta 1" if parameters else "crop 6 x 6, stride 6 x 6, delta 0"
    )
    said = [text for text in caplog.messages if "runs tile by tile" in text]
    assert len(said) == 1
    assert f"{stage} runs tile by tile, the first image of 8 x 8 pixels in 4: {crop}" in said[0]
    assert ("tiled_inference_parameters for others" in said[0]) == (parameters is None)


@pytest.mark.parametrize("stage", STAGES)
def test_a_large_image_is_never_cut_unasked_but_the_option_is_named(stage, caplog):
    run(segmentation(tiled_inference_parameters=TILES), stage, targets(segmentation))
    hints = [text for text in caplog.messages if "runs whole" in text]
    assert len(hints) == 1
    assert f"{stage}: an image of 8 x 8 pixels runs whole" in hints[0]
    assert f"model.init_args.tiled_inference_on_{stage}: true" in hints[0]
    assert "tile by tile, the first" not in caplog.text


def test_nothing_is_said_of_small_images_and_of_labels(caplog):
    settings = TileSettings()
    assert SceneTiles(settings, is_dense=True).testing(torch.zeros(1, 3, 6, 6), None) is None
    assert SceneTiles(settings, is_dense=False).testing(torch.zeros(1, 3, 9, 9), None) is None
    assert not caplog.messages


@pytest.mark.parametrize(
    ("fitted", "expected"), [(None, (96, 96, 84, 3)), ((80, 160), (80, 160, 70, 2))]
)
def test_tiles_have_the_size_of_the_training_or_that_the_model_was_built_for(fitted, expected):
    settings = TaskSettings.from_arguments({"tiled_inference_on_testing": True})
    chip = ChipSize.known(fitted, ModelDescription("x", chip_size=(96, 96)))
    cut = SceneTiles(settings.tiles, is_dense=True)
    tiles = cut.testing(torch.zeros(1, 3, 200, 100), chip)
    assert (tiles.h_crop, tiles.w_crop, tiles.h_stride, tiles.delta) == expected
    other = ChipSize(70, 70, fitted=True)
    assert cut.validation(torch.zeros(1, 3, 200, 100), other) is None
    assert cut.testing(torch.zeros(1, 3, 200, 100), other) == tiles  # as the batches before
    cut.reset()
    assert cut.testing(torch.zeros(1, 3, 200, 100), other).h_crop == 70


def test_a_test_is_cut_alike_in_the_run_of_the_training_and_in_one_of_its_own(caplog, monkeypatch):
    monkeypatch.setattr("terratorch.tiles.tiling._SMALLEST_CHIP", 7)
    tiled = {"tiled_inference_on_validation": True, "tiled_inference_on_testing": True}
    task, run = segmentation(**tiled), trainer(max_epochs=2)
    chips, scenes = loader(torch.zeros(2, 8, 8).long(), "mask"), scenes_of(20)
    run.fit(task, chips, scenes)
    validations = said_of(caplog, "validation")
    assert [text.partition(": ")[2].partition(",")[0] for text in validations] == [
        "crop 6 x 6",  # the trial: nothing is known of chips
        "crop 8 x 8",
    ]
    within = run.test(task, scenes, verbose=False)
    tests = said_of(caplog, "testing")
    alone = segmentation(**tiled)
    alone.load_state_dict(task.state_dict())
    alone.fitted_chip = task.fitted_chip
    assert trainer().test(alone, scenes, verbose=False) == within
    assert said_of(caplog, "testing") == tests * 2
    assert "crop 8 x 8" in tests[0]


def scenes_of(size):
    samples = [{"image": torch.rand(3, size, size), "mask": torch.zeros(size, size).long()}]
    return torch.utils.data.DataLoader(samples)


def said_of(caplog, stage):
    return [text for text in caplog.messages if text.startswith(f"{stage} runs tile by tile")]
