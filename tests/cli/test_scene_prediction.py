"""Which tasks and data modules are predicted without a Trainer."""

import pytest
import torch
from lightning.pytorch import Trainer

from terratorch.cli.prediction.sources import source_of
from terratorch.cli.prediction.trainer_run import runs_without_trainer
from terratorch.contracts.input_spec import InputSpec
from terratorch.datamodules.prediction import PredictionDataModule
from terratorch.tasks import SemanticSegmentationTask
from terratorch.tasks.objectives.segmentation import SegmentationObjective
from terratorch.tasks.predicting import prediction_of


def with_own(base, name, *args, **kwargs):
    """An object of a class with a method of its own, which does what ours does."""
    own = type("Own", (base,), {name: lambda self, *a, **k: getattr(base, name)(self, *a, **k)})
    return own(*args, **kwargs)


def task(name):
    sizes = {"num_classes": 2}
    return with_own(SemanticSegmentationTask, name, sizes, model=torch.nn.Conv2d(1, 2, 1))


def test_a_task_with_methods_that_predictions_do_not_use_needs_no_trainer():
    assert runs_without_trainer(task("training_step"), Trainer(logger=False))


@pytest.mark.parametrize(
    "name", ["forward", "predict_step", "setup", "on_predict_start", "on_predict_end"]
)
def test_a_task_with_a_method_of_its_own_goes_batch_by_batch(name):
    assert not runs_without_trainer(task(name), Trainer(logger=False))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("train_dataloader", True),
        ("on_before_batch_transfer", False),
        ("on_after_batch_transfer", False),
        ("predict_dataloader", False),
    ],
)
def test_a_data_module_with_a_method_of_its_own_goes_batch_by_batch(name, known):
    images = source_of(with_own(PredictionDataModule, name, [], InputSpec.create()))
    assert (images is not None) == known


def test_a_task_with_an_objective_of_its_own_needs_no_trainer():
    class Own(SegmentationObjective):
        def decide(self, scores):
            return scores.min(dim=1).indices

    class OwnTask(SemanticSegmentationTask):
        objective_class = Own

    model = torch.nn.Conv2d(1, 2, 1)
    own = OwnTask({"num_classes": 2}, model=model)
    assert runs_without_trainer(own, Trainer(logger=False))
    assert (
        prediction_of(own.objective, torch.tensor([[[[3.0]], [[1.0]]]]), ["a.tif"]).main.values == 1
    )
