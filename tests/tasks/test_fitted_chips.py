"""The size of the chips that a checkpoint knows: those that a fit ran whole."""

import pytest
import torch
from task_tester import ImageModel, PixelModel, trainer
from torch.utils.data import DataLoader

from terratorch.contracts.model_description import ModelDescription
from terratorch.tasks.checkpoint import read_checkpoint
from terratorch.tasks.classification_tasks import ClassificationTask
from terratorch.tasks.segmentation_tasks import SemanticSegmentationTask
from terratorch.tiles.tiling import ChipSize, tiles_for


def segmentation(model=PixelModel, **arguments):
    return SemanticSegmentationTask({"num_classes": 4}, model=model(), **arguments)


def chips(*sizes):
    """Return a loader of a chip of each size."""
    samples = [
        {"image": torch.rand(3, *size), "mask": torch.zeros(size, dtype=torch.long)}
        for size in sizes
    ]
    return DataLoader(samples, batch_size=1)


def fitted(training, validation, task=None, **arguments):
    task = task or segmentation(**arguments)
    trainer().fit(task, training, validation)
    return task.fitted_chip


def test_they_are_the_largest_of_the_training_or_of_the_validation():
    assert fitted(chips((8, 8)), chips((16, 12))) == (16, 12)
    assert fitted(chips((16, 12)), chips((8, 8))) == (16, 12)


def test_they_are_chips_that_there_were():
    assert fitted(chips((8, 20), (16, 16)), chips((20, 8))) == (16, 16)


def test_a_validation_tile_by_tile_runs_no_image_whole():
    tiles = {"crop": 6, "stride": 6, "delta": 0}
    tiled = {"tiled_inference_on_validation": True, "tiled_inference_parameters": tiles}
    assert fitted(chips((8, 8)), chips((16, 12)), **tiled) == (8, 8)


def test_what_is_no_image_has_no_size():
    class Model(PixelModel):
        def forward(self, image):
            return super().forward(image["S2"])

    image = {"S2": torch.rand(3, 8, 8), "coordinates": torch.rand(1, 500, 2)}
    loader = DataLoader([{"image": image, "mask": torch.zeros(8, 8, dtype=torch.long)}])
    assert fitted(loader, loader, model=Model) == (8, 8)


def test_labels_of_images_tell_none():
    data = DataLoader([{"image": torch.rand(3, 8, 8), "label": 1}])
    task = ClassificationTask({"num_classes": 4}, model=ImageModel())
    assert fitted(data, data, task) is None


def test_a_test_tells_none():
    task = segmentation()
    for stage in ("validate", "test"):
        getattr(trainer(), stage)(task, chips((8, 8)), verbose=False)
    assert task.fitted_chip is None


def test_another_fit_begins_with_none_and_one_that_goes_on_does_not(tmp_path):
    task, run = segmentation(), trainer()
    run.fit(task, chips((16, 16)), chips((8, 8)))
    run.save_checkpoint(tmp_path / "one.ckpt")
    assert fitted(chips((8, 8)), chips((8, 8)), task) == (8, 8)
    trainer(max_epochs=2).fit(task, chips((8, 8)), chips((8, 8)), ckpt_path=tmp_path / "one.ckpt")
    assert task.fitted_chip == (16, 16)


def test_images_that_chose_the_checkpoint_whole_are_predicted_whole(tmp_path):
    task, run = segmentation(), trainer()
    run.fit(task, chips((64, 64)), chips((80, 96)))
    run.save_checkpoint(tmp_path / "one.ckpt")
    info = read_checkpoint(tmp_path / "one.ckpt")
    assert info.chip_size == (80, 96)
    chip = info.build_task(model=PixelModel()).chip_size
    assert chip == task.chip_size == ChipSize(80, 96, fitted=True)
    assert tiles_for(80, 96, None, chip) is None
    assert tiles_for(81, 96, None, chip).h_crop == 80


@pytest.mark.parametrize("described", [None, ModelDescription("x", chip_size=(32, 32))])
def test_small_chips_make_no_tiles(described):
    assert ChipSize.known((32, 500), described) is None
