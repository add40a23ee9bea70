"""Objectives are pure: settings, a batch and scores are enough, without Lightning or a Trainer."""

import subprocess
import sys

import pytest
import torch

from terratorch.contracts.outputs import Content
from terratorch.contracts.prediction import MAIN_LAYER
from terratorch.errors import ConfigurationError
from terratorch.models.model import ModelOutput
from terratorch.registry.builtin import TASKS
from terratorch.tasks.objectives import OBJECTIVES, objective_of
from terratorch.tasks.objectives.classification import ClassificationObjective
from terratorch.tasks.objectives.regression import RegressionObjective
from terratorch.tasks.objectives.segmentation import SegmentationObjective
from terratorch.tasks.settings import TaskSettings

SCORES = torch.tensor([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]]).T.reshape(1, 2, 3, 1)


def settings(**arguments):
    return TaskSettings.from_arguments({"model_args": {"num_classes": 2}, **arguments})


def learn(objective, scores, batch):
    targets = objective.read_targets(batch)
    counts = [target.valid is None or bool(target.valid.any()) for target in targets]
    return objective.learn(ModelOutput(scores), batch, objective.build_criterion(), counts)


def test_a_segmentation_learns_from_masks():
    objective = SegmentationObjective(settings(ignore_index=-1))
    batch = {"mask": torch.tensor([0, 1, -1]).reshape(1, 1, 3, 1)}
    result = learn(objective, SCORES, batch)
    expected = torch.nn.functional.cross_entropy(SCORES, batch["mask"].squeeze(1), ignore_index=-1)
    assert torch.allclose(result.loss, expected)
    assert result.target.shape == result.decided.shape == (1, 3, 1)
    metrics = objective.metrics()
    metrics.update(result.decided, result.target)
    assert metrics.compute()["Pixel_Accuracy"] == 1
    prediction = objective.prediction(SCORES, ["a.tif"])
    assert prediction.main.content is Content.CLASSES
    assert prediction.main.values.flatten().tolist() == [0, 1, 0]


def test_a_classification_learns_from_labels():
    objective = ClassificationObjective(settings(loss="dice"))
    scores = torch.tensor([[3.0, 0.0], [0.0, 3.0]])
    result = learn(objective, scores, {"label": torch.tensor([0, 1])})
    assert 0 < result.loss < 0.1
    outputs = objective.outputs(scores)
    assert outputs["probabilities"].values.sum(1).tolist() == pytest.approx([1, 1])
    assert outputs[MAIN_LAYER].values.tolist() == [0, 1]


def test_a_regression_learns_where_targets_are_numbers():
    objective = RegressionObjective(TaskSettings.from_arguments({"model_args": {"backbone": "x"}}))
    batch = {"mask": torch.tensor([1.0, torch.nan]).reshape(1, 2, 1)}
    result = learn(objective, torch.tensor([3.0, 3.0]).reshape(1, 1, 2, 1), batch)
    assert result.loss == 4
    assert result.target.isnan().flatten().tolist() == [False, True]


@pytest.mark.parametrize("task", OBJECTIVES)
def test_every_built_in_task_has_the_objective_of_the_table(task):
    from terratorch.registry import TASK_REGISTRY

    assert TASK_REGISTRY[task].objective_class is objective_of(task)


def test_every_built_in_task_has_a_row():
    assert set(OBJECTIVES) == set(TASKS)


def test_settings_are_checked_when_an_objective_is_built():
    with pytest.raises(ConfigurationError, match=r"class_names: 3 names for 2 classes"):
        SegmentationObjective(settings(class_names=list("abc")))


def test_objectives_and_checkpoints_import_no_lightning():
    code = (
        "import sys, terratorch.tasks.checkpoint, terratorch.tasks.predicting\n"
        "from terratorch.tasks.objectives import OBJECTIVES, objective_of\n"
        "list(map(objective_of, OBJECTIVES))\n"
        "import terratorch.tasks.objectives.several, terratorch.tasks.objectives.own_loss\n"
        "print([name for name in sys.modules if name.split('.')[0] in "
        "('lightning', 'torchmetrics', 'torchvision')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
