"""A task predicts the outputs that are asked for."""

import pytest
import torch
from torch import nn

from terratorch.contracts.outputs import Content, Raster
from terratorch.contracts.prediction import layers_of
from terratorch.errors import ConfigurationError
from terratorch.tasks import PixelwiseRegressionTask, SemanticSegmentationTask
from terratorch.tasks.objectives.segmentation import SegmentationObjective
from terratorch.tasks.predicting import prediction_of

SCORES = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1).expand(1, 2, 3, 4)


def segmentation(**arguments):
    return SemanticSegmentationTask({"num_classes": 2}, model=nn.Identity(), **arguments)


@pytest.mark.parametrize(
    ("names", "layers"),
    [
        (["classes"], {"prediction": "classes"}),
        (["probabilities", "classes"], {"prediction": "classes", "probabilities": "probabilities"}),
        (["logits", "probabilities"], {"prediction": "logits", "probabilities": "probabilities"}),
        (["values", "values"], {"prediction": "values"}),
    ],
)
def test_the_first_is_the_main_layer_unless_there_are_classes(names, layers):
    assert layers_of([Content(name) for name in names]) == layers


def test_outputs_win_over_the_arguments_of_the_task():
    task = segmentation(output_on_inference="logits", output_most_probable=False)
    assert prediction_of(task.objective, SCORES, ["a"]).main.content is Content.LOGITS
    task.objective.choose_outputs(["classes", "probabilities"])
    prediction = prediction_of(task.objective, SCORES, ["a"])
    assert prediction.main.values.tolist() == torch.ones(1, 3, 4).tolist()
    assert torch.equal(prediction.outputs["probabilities"].values, SCORES.softmax(1))
    (one,) = prediction.split()
    assert one.outputs["probabilities"].content is Content.PROBABILITIES


def test_scores_alone_are_values():
    task = segmentation()
    task.objective.choose_outputs(["probabilities"])
    prediction = prediction_of(task.objective, SCORES, ["a"])
    assert prediction.main.content is Content.PROBABILITIES


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "outputs: it is empty"),
        (["clases"], "there are no 'clases'. Did you mean 'classes'"),
        (["values"], "Outputs: classes, probabilities, logits"),
    ],
)
def test_what_a_task_does_not_have_is_named(names, message):
    with pytest.raises(ConfigurationError, match=message):
        segmentation().objective.choose_outputs(names)


def test_a_regression_has_values():
    task = PixelwiseRegressionTask({}, model=nn.Identity())
    task.objective.choose_outputs(["values"])
    assert prediction_of(task.objective, SCORES[:, :1], ["a"]).main.values.shape == (1, 3, 4)
    with pytest.raises(ConfigurationError, match="Outputs: values"):
        task.objective.choose_outputs(["classes"])


def test_an_objective_with_its_own_outputs_decides_what_is_written():
    class Own(SegmentationObjective):
        def outputs(self, scores):
            return {"prediction": Raster(scores[:, 0], Content.VALUES)}

    class OwnTask(SemanticSegmentationTask):
        objective_class = Own

    task = OwnTask({"num_classes": 2}, model=nn.Identity())
    assert prediction_of(task.objective, SCORES, ["a"]).main.content is Content.VALUES
    with pytest.raises(ConfigurationError, match=r"Own overrides outputs\(\)"):
        task.objective.choose_outputs(["classes"])
