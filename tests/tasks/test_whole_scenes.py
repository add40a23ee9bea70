"""Validation and tests on whole scenes: by tiles where that is asked for, and said."""

import logging

import pytest
import torch
from task_tester import PixelModel, loader, trainer

from terratorch.inference.tiles.tiling import ChipSize
from terratorch.tasks.regression_tasks import PixelwiseRegressionTask
from terratorch.tasks.segmentation_tasks import SemanticSegmentationTask
from terratorch.tasks.settings import TaskSettings
from terratorch.tasks.whole_scenes import SceneTiles

TILES = {"crop": 6, "stride": 4, "delta": 1, "batch_size": 3}
STAGES = {"testing": "test", "validation": "validate"}


@pytest.fixture(autouse=True)
def small_scenes(monkeypatch, caplog):
    """Let 6 pixels a side be large, and a tile as long."""
    monkeypatch.setattr("terratorch.tasks.whole_scenes.MOST_WHOLE", 6)
    monkeypatch.setattr("terratorch.inference.tiles.tiling._CROP", 6)
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
    settings = segmentation().settings
    assert SceneTiles(settings, of_pixels=True).testing(torch.zeros(1, 3, 6, 6), None) is None
    assert SceneTiles(settings, of_pixels=False).testing(torch.zeros(1, 3, 9, 9), None) is None
    assert not caplog.messages


@pytest.mark.parametrize(
    ("fitted", "expected"), [(None, (96, 96, 84, 3)), ((80, 160), (80, 160, 70, 2))]
)
def test_tiles_have_the_size_of_the_training_or_that_the_model_was_built_for(fitted, expected):
    settings = TaskSettings({"backbone_img_size": 96}, tiled_inference_on_testing=True)
    chip = ChipSize.known(fitted, settings.chip_size)
    cut = SceneTiles(settings, of_pixels=True)
    tiles = cut.testing(torch.zeros(1, 3, 200, 100), chip)
    assert (tiles.h_crop, tiles.w_crop, tiles.h_stride, tiles.delta) == expected
    assert cut.testing(torch.zeros(1, 3, 200, 100), ChipSize(70, 70, fitted=True)) == tiles
