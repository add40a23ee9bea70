"""A task predicts the outputs that are asked for."""

import pytest
import torch
from torch import nn

from terratorch.contracts.outputs import Content
from terratorch.contracts.prediction import layers_of
from terratorch.errors import ConfigurationError
from terratorch.tasks import PixelwiseRegressionTask, SemanticSegmentationTask

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
    assert task.prediction_of(SCORES, ["a"]).main.content is Content.LOGITS
    task.choose_outputs(["classes", "probabilities"])
    prediction = task.prediction_of(SCORES, ["a"])
    assert prediction.main.values.tolist() == torch.ones(1, 3, 4).tolist()
    assert torch.equal(prediction.outputs["probabilities"].values, SCORES.softmax(1))
    (one,) = prediction.split()
    assert one.outputs["probabilities"].content is Content.PROBABILITIES


def test_scores_alone_are_values():
    task = segmentation()
    task.choose_outputs(["probabilities"])
    prediction = task.prediction_of(SCORES, ["a"])
    assert prediction.main.content is Content.PROBABILITIES


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "outputs: it is empty"),
        (["clases"], "there are no 'clases'. Did you mean 'classes'"),
        (["values"], "SemanticSegmentationTask has classes, probabilities, logits"),
    ],
)
def test_what_a_task_does_not_have_is_named(names, message):
    with pytest.raises(ConfigurationError, match=message):
        segmentation().choose_outputs(names)


def test_a_regression_has_values():
    task = PixelwiseRegressionTask({}, model=nn.Identity())
    task.choose_outputs(["values"])
    assert task.prediction_of(SCORES[:, :1], ["a"]).main.values.shape == (1, 3, 4)
    with pytest.raises(ConfigurationError, match="PixelwiseRegressionTask has values"):
        task.choose_outputs(["classes"])


def test_layers_of_a_task_of_ones_own_are_not_chosen():
    class Own(SemanticSegmentationTask):
        def prediction_layers(self, output):
            return {"prediction": output[:, 0]}

    task = Own({"num_classes": 2}, model=nn.Identity())
    assert task.prediction_of(SCORES, ["a"]).main.content is Content.VALUES
    with pytest.raises(ConfigurationError, match="Own has a method prediction_layers of its own"):
        task.choose_outputs(["classes"])
