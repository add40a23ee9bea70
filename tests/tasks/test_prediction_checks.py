import logging

import pytest
import torch

from terratorch.contracts.input_spec import ImageSpec, InputSpec
from terratorch.errors import NotANumberError
from terratorch.tasks import PixelwiseRegressionTask, SemanticSegmentationTask
from terratorch.tasks.predicting import prediction_of
from terratorch.tasks.prediction_checks import check_output, check_scale

SPEC = InputSpec.create(means=[1000.0, 2000.0, 1500.0], stds=[500.0, 400.0, 300.0])
FILES = ["a.tif", "b.tif"]


def batch(raw, valid=None):
    """Return normalised images of which the second is `raw`."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 8, 8, generator=generator) * 3000
    image[1] = raw
    made = {"image": SPEC.normalize(image), "filename": FILES}
    return made if valid is None else {**made, "valid": valid}


def said(caplog, *batches, spec=SPEC):
    task = SemanticSegmentationTask({"num_classes": 4}, model=torch.nn.Identity())
    with caplog.at_level(logging.WARNING):
        for one in batches:
            check_scale(one, spec, owner=task)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("scale", [0.0001, 100.0])
def test_another_scale_than_in_training_is_said_once(scale, caplog):
    raw = torch.rand(3, 8, 8) * 3000 * scale
    (message,) = said(caplog, batch(raw), batch(raw))
    assert message.startswith("b.tif: its values are on another scale")
    assert "in training it was 1.5e+03" in message
    assert "convert it; or set data.init_args.constant_scale in a configuration" in message
    assert "config_deploy.yaml of the training: -c CONFIG. (logged once)" in message


def test_scenes_of_the_scale_of_training_are_not_spoken_of(caplog):
    mean = torch.tensor([1000.0, 2000.0, 1500.0]).view(3, 1, 1)
    raw = torch.rand(3, 8, 8) * 3000
    assert said(caplog, batch(raw), batch(mean), batch(raw * 2 + 1000)) == []


def test_only_valid_pixels_count(caplog):
    raw = torch.rand(3, 8, 8) * 3000
    raw[:, :, :4] = -1e6
    valid = torch.ones(2, 8, 8, dtype=torch.bool)
    valid[1, :, :4] = False
    assert said(caplog, batch(raw, valid), batch(raw, valid & False)) == []
    assert len(said(caplog, batch(raw))) == 1


@pytest.mark.parametrize("spec", [None, InputSpec()])
def test_without_normalisation_nothing_is_known(spec, caplog):
    assert said(caplog, batch(torch.full((3, 8, 8), 1e9)), spec=spec) == []


def test_each_modality_is_compared_with_its_own_training(caplog):
    images = {"S2": batch(torch.rand(3, 8, 8) * 3000)["image"], "DEM": torch.full((2, 1, 8, 8), 90)}
    spec = InputSpec({"S2": SPEC.image, "DEM": ImageSpec.create(means=[300.0], stds=[200.0])})
    (message,) = said(caplog, {"image": images, "filename": FILES}, spec=spec)
    assert message.startswith("DEM of a.tif")
    assert "in training it was 300" in message


def test_time_series_are_checked_too(caplog):
    image = torch.full((2, 3, 2, 8, 8), 1e6)
    assert len(said(caplog, {"image": image, "filename": FILES})) == 1


ALL_CLASSES = slice(None)


@pytest.mark.parametrize(
    ("classes", "value", "what"),
    [
        (2, torch.nan, "NaN"),
        (2, torch.inf, "infinite"),
        (ALL_CLASSES, torch.inf, "infinite"),
        (ALL_CLASSES, -torch.inf, "infinite"),
    ],
)
@pytest.mark.parametrize("size", [(8, 8), ()])
def test_an_output_that_decides_nothing_names_its_file(classes, value, what, size):
    output = torch.zeros(2, 3, *size)
    output[(0, 1, *[0] * len(size))] = -torch.inf  # a class that the model leaves out
    check_output(output, {"filename": FILES})
    output[(1, classes, *[0] * len(size))] = value
    with pytest.raises(NotANumberError, match=rf"^b\.tif: the output of the model is {what}"):
        check_output(output, {"filename": FILES})


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 1, 8, 8), (2, 3, 8, 8)])
def test_values_are_finite(value, shape):
    output = torch.zeros(shape)
    check_output(output, {"filename": FILES}, of_classes=False)
    output.view(-1)[-1] = value
    with pytest.raises(NotANumberError, match=r"^b\.tif: the output of the model is"):
        check_output(output, {"filename": FILES}, of_classes=False)


def test_large_numbers_of_half_precision_are_numbers():
    check_output(torch.full((2, 3, 8, 8), 6e4).half(), {"filename": FILES})


@pytest.mark.parametrize("task", [PixelwiseRegressionTask, SemanticSegmentationTask])
def test_tasks_refuse_what_overflowed(task):
    of_values = task is PixelwiseRegressionTask
    model = torch.nn.Conv2d(3, 1 if of_values else 4, 1)
    output = torch.zeros(1, 1 if of_values else 4, 8, 8)
    built = task({} if of_values else {"num_classes": 4}, model=model)
    assert len(prediction_of(built.objective, output, ["a.tif"])) == 1
    output[..., 0, 0] = -torch.inf
    with pytest.raises(NotANumberError, match=r"^a\.tif: the output of the model is infinite"):
        prediction_of(built.objective, output, ["a.tif"])
