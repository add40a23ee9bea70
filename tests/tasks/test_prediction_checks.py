import logging

import pytest
import torch

from terratorch.datasets.inputs.input_spec import InputSpec
from terratorch.datasets.inputs.modalities import ModalitiesSpec
from terratorch.errors import DataError
from terratorch.tasks.prediction_checks import PredictionChecks

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
    checks = PredictionChecks()
    with caplog.at_level(logging.WARNING):
        for one in batches:
            checks.check_scale(one, spec)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("scale", [0.0001, 100.0])
def test_another_scale_than_in_training_is_said_once(scale, caplog):
    raw = torch.rand(3, 8, 8) * 3000 * scale
    (message,) = said(caplog, batch(raw), batch(raw))
    assert message.startswith("b.tif: its values are on another scale")
    assert "in training it was 1.5e+03" in message
    assert "convert it; or set data.init_args.constant_scale in a configuration" in message
    assert "config_deploy.yaml of the training: -c CONFIG. (said once)" in message


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
    spec = ModalitiesSpec({"S2": SPEC, "DEM": InputSpec.create(means=[300.0], stds=[200.0])})
    (message,) = said(caplog, {"image": images, "filename": FILES}, spec=spec)
    assert message.startswith("DEM of a.tif")
    assert "in training it was 300" in message


def test_time_series_are_checked_too(caplog):
    image = torch.full((2, 3, 2, 8, 8), 1e6)
    assert len(said(caplog, {"image": image, "filename": FILES})) == 1


def test_an_output_that_is_nan_names_its_file():
    output = torch.zeros(2, 3, 8, 8)
    PredictionChecks().check_output(output, {"filename": FILES})
    output[0, 0, 0, 0], output[0, 0, 0, 1] = torch.inf, -torch.inf
    PredictionChecks().check_output(output, {"filename": FILES})
    output[1, 2, 0, 0] = torch.nan
    with pytest.raises(DataError, match=r"^b\.tif: what the model gives for it is NaN"):
        PredictionChecks().check_output(output, {"filename": FILES})
