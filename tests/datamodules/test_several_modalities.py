"""The generic base with several modalities: fit, validate, test and predict; missing ones."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from lightning.pytorch import Trainer
from torch import nn
from torch.utils.data import Dataset

from chip_files import write_tif
from terratorch.contracts.input_spec import ImageSpec, InputSpec
from terratorch.datamodules.base import GenericDataModule, Loading, SplitSource
from terratorch.datamodules.collation import completed
from terratorch.datamodules.prediction import PredictionDataModule
from terratorch.datasets.scenes.prediction_images import PredictionImages
from terratorch.errors import ConfigurationError, DataError
from terratorch.models.model import ModelOutput
from terratorch.tasks import SemanticSegmentationTask

SPEC = InputSpec(
    {
        "S2": ImageSpec.create(dataset_bands=["RED", "NIR_NARROW"], means=[1000, 900], stds=[9, 8]),
        "S1": ImageSpec.create(dataset_bands=["VV", "VH"], means=[-10, -17], stds=[5, 4]),
    }
)


class Chips(Dataset):
    """A data set of a user's own: chips of both sensors, of which some lack the radar."""

    def __init__(self, lacking=()) -> None:
        generator = torch.Generator().manual_seed(0)
        self.samples = []
        for index in range(6):
            images = {
                "S2": torch.rand(2, 16, 16, generator=generator) * 2000,
                "S1": torch.rand(2, 16, 16, generator=generator) * -20,
            }
            if index in lacking:
                del images["S1"]
            mask = torch.randint(3, (16, 16), generator=generator)
            sample = {"image": images, "mask": mask, "filename": f"chip_{index}.tif"}
            self.samples.append(sample)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


class Module(GenericDataModule):
    def __init__(self, lacking=(), workers=0, batch_size=3, **predict):
        here = SplitSource(Path())
        sources = dict.fromkeys(("train", "val", "test"), here)
        super().__init__(SPEC, Loading(batch_size, workers), sources, **predict)
        self.lacking = lacking

    def build_dataset(self, split, source):
        return Chips(self.lacking)


class Both(nn.Module):
    """A model that needs both images."""

    def __init__(self):
        super().__init__()
        self.optical, self.radar = nn.Conv2d(2, 3, 1), nn.Conv2d(2, 3, 1)

    def forward(self, images):
        return ModelOutput(self.optical(images["S2"]) + self.radar(images["S1"]))


class Either(Both):
    """A model that does without the radar, and keeps what it was told."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, images, missing):
        self.seen.append(
            (sorted(images), {name: flags.tolist() for name, flags in missing.items()})
        )
        output = self.optical(images["S2"])
        if "S1" in images:
            there = (~missing["S1"]).view(-1, 1, 1, 1)
            output = output + self.radar(images["S1"]) * there
        return ModelOutput(output)


def run(tmp_path=None):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    return Trainer(
        max_epochs=1,
        accelerator="cpu",
        enable_checkpointing=False,
        default_root_dir=tmp_path,
        **quiet,
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_several_modalities_train_validate_and_test(workers, tmp_path):
    task = SemanticSegmentationTask({"num_classes": 3}, model=Both())
    trainer, module = run(tmp_path), Module(workers=workers)
    trainer.fit(task, module)
    assert "val/loss" in trainer.validate(task, module, verbose=False)[0]
    assert "test/mIoU" in trainer.test(task, module, verbose=False)[0]


def test_each_image_is_normalised_by_its_own_statistics():
    module = Module()
    module.setup("fit")
    batch = module.on_after_batch_transfer(next(iter(module.val_dataloader())), 0)
    raw = Chips()[0]["image"]
    for name, image in batch["image"].items():
        assert torch.allclose(image[0], SPEC.images[name].normalize(raw[name]))
    assert not any(flags.any() for flags in batch["missing"].values())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_missing_modality_is_marked_and_holds_its_mean(workers):
    module = Module(lacking={1, 3, 4, 5}, workers=workers)
    module.setup("validate")
    first, second = (module.on_after_batch_transfer(b, 0) for b in module.val_dataloader())
    assert first["missing"]["S1"].tolist() == [False, True, False]
    assert first["missing"]["S2"].tolist() == [False] * 3
    assert not first["image"]["S1"][1].any()
    assert first["image"]["S1"][0].any()
    assert list(second["image"]) == ["S2"]
    assert second["missing"]["S1"].tolist() == [True] * 3


def test_a_model_that_takes_missing_is_told(tmp_path):
    model = Either()
    task = SemanticSegmentationTask({"num_classes": 3}, model=model)
    trainer, module = run(tmp_path), Module(lacking={1, 3, 4, 5})
    trainer.validate(task, module, verbose=False)
    assert model.seen == [
        (["S1", "S2"], {"S2": [False] * 3, "S1": [False, True, False]}),
        (["S2"], {"S2": [False] * 3, "S1": [True] * 3}),
    ]
    trainer.fit(task, module)
    assert task.fitted_facts == {"missing"}
    trainer.test(task, module, verbose=False)


def test_a_model_that_would_not_know_is_refused(tmp_path):
    task = SemanticSegmentationTask({"num_classes": 3}, model=Both())
    with pytest.raises(DataError, match=r"S1 of chip_1\.tif: is missing, .*name `missing`"):
        run(tmp_path).validate(task, Module(lacking={1}), verbose=False)


def scenes(folder, lacking=()):
    random = np.random.default_rng(0)
    for name in ("north", "south"):
        write_tif(folder / name / "S2.tif", random.integers(0, 2000, (2, 16, 16)).astype(np.int16))
        if name not in lacking:
            radar = (random.random((2, 16, 16)) * -20).astype(np.float32)
            write_tif(folder / name / "S1.tif", radar)
    return folder


def test_scenes_are_predicted_by_the_same_data_module(tmp_path):
    folder = scenes(tmp_path / "scenes")
    task = SemanticSegmentationTask({"num_classes": 3}, model=Both())
    module = Module(batch_size=2, predict_root=folder)
    (prediction,) = run(tmp_path).predict(task, module)
    images = {}
    for name in ("S2", "S1"):
        with rasterio.open(folder / "south" / f"{name}.tif") as dataset:
            images[name] = torch.from_numpy(dataset.read()).float()[None]
    expected = task.model(SPEC.normalize(images)).output.argmax(1)
    south = next(one for one in prediction.split() if "south" in one.filenames[0])
    assert torch.equal(south.main.values.long(), expected)


def test_a_scene_may_lack_a_modality_if_the_model_was_told_in_training(tmp_path):
    folder = scenes(tmp_path / "scenes", lacking=("south",))
    paths = [folder / "north", folder / "south"]
    assert list(PredictionImages(paths, SPEC).failures) == paths[1:]
    model = Either()
    task = SemanticSegmentationTask({"num_classes": 3}, model=model)
    module = PredictionDataModule(paths, SPEC.with_facts(["missing"]))
    run(tmp_path).predict(task, module)
    assert [seen for seen, _ in model.seen] == [["S1", "S2"], ["S2"]]
    assert [flags["S1"] for _, flags in model.seen] == [[False], [True]]


def test_samples_have_to_be_what_is_described():
    sample = Chips()[0]
    with pytest.raises(DataError, match=r"chip_0\.tif: an image of DEM, which input_spec does not"):
        completed([{**sample, "image": {"DEM": torch.zeros(1, 4, 4)}}], SPEC)
    with pytest.raises(DataError, match=r"chip_0\.tif: no image of any modality"):
        completed([{**sample, "image": {"S2": None}}], SPEC)
    with pytest.raises(DataError, match="one image, but the model takes the modalities S2, S1"):
        completed([{**sample, "image": torch.zeros(2, 4, 4)}], SPEC)


def test_images_of_different_sizes_name_the_modality(tmp_path):
    module = Module()
    module.setup("fit")
    odd = {**module.datasets["val"].samples[1]["image"], "S1": torch.zeros(2, 8, 8)}
    module.datasets["val"].samples[1] = {**Chips()[1], "image": odd}
    with pytest.raises(DataError, match=r"chip_1\.tif: the image is 2 x 8 x 8, but chip_0\.tif"):
        next(iter(module.val_dataloader()))


def test_statistics_are_those_of_one_image():
    from terratorch.datamodules.statistics import compute_statistics

    with pytest.raises(ConfigurationError, match="its batches hold the modalities S2, S1"):
        compute_statistics(Module())


class Boxes(Chips):
    """Chips with boxes, of which each has another number."""

    def __getitem__(self, index):
        count = 2 * index + 1
        image = self.samples[index]["image"]["S2"]
        boxes = torch.arange(4.0).repeat(count, 1)
        return {"image": image, "boxes": boxes, "labels": torch.ones(count).long()}


@pytest.mark.parametrize("workers", [0, 2])
def test_boxes_of_any_number_stay_a_list(workers):
    class OfBoxes(Module):
        def build_dataset(self, split, source):
            return Boxes()

    module = OfBoxes(workers=workers, batch_size=2)
    module._input_spec = InputSpec.create(dataset_bands=["RED", "NIR_NARROW"])
    module.setup("validate")
    batches = list(module.val_dataloader())
    assert [[len(boxes) for boxes in batch["boxes"]] for batch in batches] == [
        [1, 3],
        [5, 7],
        [9, 11],
    ]
    assert all(isinstance(batch["labels"], list) for batch in batches)
    assert batches[0]["image"].shape == (2, 2, 16, 16)
    moved = run().strategy.batch_to_device(batches[0], torch.device("cpu"))
    assert [len(labels) for labels in moved["labels"]] == [1, 3]
