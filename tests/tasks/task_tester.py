"""The shared tester of tasks: a new task is tested by naming it, its target and its arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.checkpoint import read_checkpoint


class PixelModel(nn.Module):
    """A tiny model with scores for each pixel."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, 8, 1)
        self.head = nn.Conv2d(8, channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.encoder(image).relu())


class ImageModel(PixelModel):
    """A tiny model with scores for each image."""

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image).mean((-1, -2))


def trainer(**arguments: Any) -> Trainer:
    """Return a quiet Trainer for a run of two batches."""
    defaults: dict[str, Any] = {
        "accelerator": "cpu",
        "logger": False,
        "max_epochs": 1,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(**defaults | arguments)


def loader(target: Tensor, key: str, batch_size: int = 2) -> DataLoader:
    """Return a loader of random images with these targets."""
    generator = torch.Generator().manual_seed(1)
    samples = [
        {
            "image": torch.randn(3, 8, 8, generator=generator),
            key: target[index],
            "filename": f"chip_{index}.tif",
        }
        for index in range(len(target))
    ]
    return DataLoader(samples, batch_size=batch_size)


class TaskTester:
    """Run by pytest in each class that names a task."""

    task_class: type[TerraTorchTask]
    arguments: ClassVar[dict[str, Any]] = {}
    target_key: ClassVar[str] = "mask"
    metric_names: ClassVar[set[str]] = set()
    model: ClassVar[type[nn.Module]] = PixelModel

    def target(self) -> Tensor:
        raise NotImplementedError

    def build(self, **changes: Any) -> TerraTorchTask:
        torch.manual_seed(0)
        arguments = {"model": self.model(), **self.arguments, **changes}
        return self.task_class(**arguments)

    def loader(self) -> DataLoader:
        return loader(self.target(), self.target_key)

    def test_fit_validates_and_tests_under_the_public_names(self):
        task, run = self.build(), trainer()
        run.fit(task, self.loader(), self.loader())
        expected = {f"{stage}/{name}" for stage in ("train", "val") for name in self.metric_names}
        assert set(run.callback_metrics) == expected | {"train/loss", "val/loss"}
        results = run.test(task, self.loader(), verbose=False)[0]
        assert set(results) == {f"test/{name}" for name in self.metric_names} | {"test/loss"}

    def test_training_lowers_the_loss(self):
        task = self.build(lr=0.01)
        before = trainer().validate(task, self.loader(), verbose=False)[0]["val/loss"]
        trainer(max_epochs=20).fit(task, self.loader(), self.loader())
        after = trainer().validate(task, self.loader(), verbose=False)[0]["val/loss"]
        assert after < before

    def test_several_test_sets_have_their_names(self):
        task = self.build(test_dataloaders_names=["one", "two"])
        results = trainer().test(task, [self.loader(), self.loader()], verbose=False)
        expected = {
            f"test/{name}/{metric}"
            for name in ("one", "two")
            for metric in (*self.metric_names, "loss")
        }
        assert {key for result in results for key in result} == expected

    def test_predictions_name_their_files(self):
        batches = trainer().predict(self.build(), self.loader())
        names = [name for batch in batches for name in batch.filenames]
        assert names == [f"chip_{index}.tif" for index in range(len(self.target()))]
        assert all("prediction" in batch.outputs for batch in batches)

    def test_predictions_are_in_full_precision(self):
        task = self.build().to(torch.bfloat16)
        images = torch.randn(2, 3, 8, 8, dtype=torch.bfloat16)
        prediction = task.predict_step({"image": images}, 0)
        kinds = {output.values.dtype for output in prediction.outputs.values()}
        assert kinds <= {torch.float32, torch.int64}

    def test_a_wholly_ignored_batch_adds_zero_loss_whatever_the_loss(self):
        ignored = torch.full_like(self.target(), -1)
        for loss in self.task_class.objective_class.loss_names:
            task = self.build(loss=loss, ignore_index=-1)
            task.log = lambda *args, **kwargs: None
            value = task.training_step(next(iter(loader(ignored, self.target_key))), 0)
            value.backward()
            assert value == 0
            assert all(not parameter.grad.any() for parameter in task.parameters())
            assert task.checks.ignored_batches == 1

    def test_a_checkpoint_holds_plain_values_and_its_task(self, tmp_path: Path):
        task, run = self.build(), trainer()
        run.fit(task, self.loader(), self.loader())
        run.save_checkpoint(tmp_path / "one.ckpt")
        info = read_checkpoint(tmp_path / "one.ckpt")
        assert info.task == self.task_class.__name__
        assert not info.model_by_name
        again = info.build_task(model=self.model())
        batch = next(iter(self.loader()))
        assert torch.equal(
            again.predict_step(batch, 0).main.values, task.eval().predict_step(batch, 0).main.values
        )

    def test_nan_in_an_image_names_its_file(self):
        batch = next(iter(self.loader()))
        batch["image"][1, 0, 0, 0] = torch.nan
        with pytest.raises(ValueError, match=r"chip_1\.tif: the image holds NaN.*no_data_replace"):
            self.build()._step(batch, "train/", self.build().train_metrics)
