"""Constructors are real signatures, described once; their arguments are hyperparameters."""

import inspect
from typing import get_args, get_type_hints

import pytest
import torch
from jsonargparse import ArgumentParser
from task_tester import PixelModel, loader, trainer

from terratorch.registry import TASK_REGISTRY
from terratorch.registry.builtin import TASKS
from terratorch.tasks import SemanticSegmentationTask
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.checkpoint import read_checkpoint
from terratorch.tasks.objectives.segmentation import SegmentationObjective

TARGET = torch.zeros(4, 8, 8, dtype=torch.long)


class Widened(SemanticSegmentationTask):
    """A user's task: an argument of its own, one fixed, all others passed on."""

    def __init__(self, smoothing: float = 0.1, lr: float = 0.5, **kwargs):
        super().__init__(loss="dice", lr=lr / 10, **kwargs)
        self.smoothing = smoothing


class Positional(SemanticSegmentationTask):
    def __init__(self, *args, smoothing: float = 0.1, **kwargs):
        super().__init__(*args, **kwargs)
        self.smoothing = smoothing


class Fixed(SemanticSegmentationTask):
    """A user's task whose model is always the same."""

    def __init__(self, width: int, class_names: list[str] | None = None):
        super().__init__(model_args={"num_classes": 4}, model=PixelModel(), class_names=class_names)
        self.width = width


class FromTheBase(TerraTorchTask):
    """A user's task without a task of ours between it and the base."""

    objective_class = SegmentationObjective

    def __init__(self, model_args: dict, lr: float = 0.1, model: torch.nn.Module | None = None):
        super().__init__(task="segmentation", plot_on_val=3)


def saved(task, path):
    run = trainer()
    run.validate(task, loader(TARGET, "mask"), verbose=False)
    run.save_checkpoint(path)
    return read_checkpoint(path)


def test_a_constructor_with_further_arguments_is_stored_and_loads_again(tmp_path):
    task = Widened(0.3, model_args={"num_classes": 4}, model=PixelModel(), ignore_index=7)
    assert task.settings.loss.loss == "dice"
    assert task.settings.optimizer.lr == 0.05
    assert task.hparams == {
        "smoothing": 0.3, "lr": 0.5, "model_args": {"num_classes": 4}, "model": None,
        "ignore_index": 7,
    }  # fmt: skip
    again = saved(task, tmp_path / "own.ckpt").build_task(PixelModel())
    assert (again.smoothing, again.settings) == (0.3, task.settings)
    lightning = Widened.load_from_checkpoint(tmp_path / "own.ckpt", model=PixelModel())
    assert (lightning.smoothing, lightning.settings) == (0.3, task.settings)


def test_positions_that_are_passed_on_are_stored(tmp_path):
    task = Positional({"num_classes": 4}, None, PixelModel(), smoothing=0.2)
    again = saved(task, tmp_path / "own.ckpt").build_task(PixelModel())
    assert (again.smoothing, again.settings) == (0.2, task.settings)


def test_a_constructor_that_fixes_the_model_loads_again(tmp_path):
    task = Fixed(3, class_names=list("abcd"))
    info = saved(task, tmp_path / "own.ckpt")
    assert info.hyper_parameters["loss"] == "ce"  # of the constructors behind it, for loggers
    lightning = Fixed.load_from_checkpoint(tmp_path / "own.ckpt")
    assert (lightning.width, lightning.settings) == (3, task.settings)


def test_a_task_from_the_base_has_the_settings_of_its_arguments():
    task = FromTheBase({"num_classes": 4}, model=PixelModel())
    assert task.settings.optimizer.lr == 0.1
    assert task.settings.reports.plot_every == 3
    assert task.hparams["task"] == "segmentation"


def test_a_missing_argument_is_an_error_of_python():
    with pytest.raises(TypeError, match="missing a required argument: 'width'"):
        Fixed()


@pytest.mark.parametrize("name", TASKS)
def test_every_argument_is_described_in_the_docstring_and_in_the_help(name, capsys):
    task = TASK_REGISTRY[name]
    parameters = inspect.signature(task).parameters
    documented = inspect.getdoc(task).partition("Args:")[2]
    parser = ArgumentParser()
    parser.add_class_arguments(task, "task", skip={"model"})
    parser.print_help()
    shown = " ".join(capsys.readouterr().out.split())
    hints = get_type_hints(task.__init__, include_extras=True)
    for argument in parameters:
        assert f"    {argument}: " in documented
        description = get_args(hints[argument])[1]
        assert argument == "model" or description[:30] in shown


def test_logging_needs_no_further_call(tmp_path):
    task = Fixed(3)
    assert task.hparams_initial == task.hparams
    task.hparams["width"] = 4
    assert task.hparams_initial["width"] == 3
