"""What models take beside images: declared or named in `forward`, and provided by one function."""

import logging

import pytest
import torch
from torch import nn

from terratorch.contracts.facts import FACTS, read_batch
from terratorch.contracts.input_spec import ImageSpec, InputSpec
from terratorch.errors import ConfigurationError, DataError
from terratorch.models.inputs import (
    ANY,
    ModelInput,
    inputs_of,
    inputs_of_batch,
    resolve_inputs,
    spec_for_prediction,
)
from terratorch.registry import BACKBONE_REGISTRY

NAMED = InputSpec.create(dataset_bands=["RED", "B8A", "VV"], output_bands=["B8A", "RED"])
DATES = torch.tensor([[[2020.0, 30.0]], [[2021.0, 60.0]]])
DATE = (ModelInput("temporal_coords", optional=True),)


class WithWavelengths(nn.Module):
    def forward(self, x, wavelengths):
        return x * wavelengths.view(-1, 1, 1)


class WithOptions(nn.Module):
    def forward(self, x, *, depth, scale=None):
        return x


class WithAny(nn.Module):
    def forward(self, x, depth=1, **kwargs):
        return x


def test_keywords_of_forward_are_inputs():
    assert inputs_of(WithWavelengths()) == (ModelInput("wavelengths"),)
    assert inputs_of(WithOptions()) == (ModelInput("depth"), ModelInput("scale", optional=True))
    assert [entry.name for entry in inputs_of(WithAny())] == ["depth", ANY]


def test_a_declaration_comes_first():
    model = WithWavelengths()
    model.inputs = DATE
    assert inputs_of(model) == DATE


def test_prithvi_declares_what_it_has_an_encoding_of():
    def names(**arguments):
        backbone = BACKBONE_REGISTRY.build(
            "prithvi_eo_tiny", pretrained=False, num_frames=1, img_size=32, **arguments
        )
        return [entry.name for entry in inputs_of(backbone)]

    assert names() == []
    assert names(coords_encoding=["time", "location"]) == ["temporal_coords", "location_coords"]
    assert names(coords_encoding=["location"]) == ["location_coords"]


def test_wavelengths_come_from_the_names_of_bands():
    batch = {"image": torch.ones(4, 2, 8, 8), "mask": torch.zeros(4, 8, 8)}
    images, inputs = inputs_of_batch(WithWavelengths(), NAMED, batch)
    assert inputs["wavelengths"].tolist() == pytest.approx([0.864, 0.665])
    assert WithWavelengths()(images, **inputs).shape == (4, 2, 8, 8)


def test_wavelengths_of_each_modality():
    spec = InputSpec({"S2": NAMED.image, "S1": ImageSpec.create(dataset_bands=["VV"])})
    wavelengths = resolve_inputs(inputs_of(WithWavelengths()), spec, {})["wavelengths"]
    assert {name: len(values) for name, values in wavelengths.items()} == {"S2": 2, "S1": 1}


@pytest.mark.parametrize("spec", [None, InputSpec(), InputSpec.create(dataset_bands=["a", "b"])])
def test_wavelengths_that_are_not_known_are_an_error_with_the_cure(spec):
    batch = {"image": torch.ones(1, 2, 8, 8)}
    with pytest.raises(
        DataError, match=r"wavelengths: is not known, but the model needs it.*dataset_"
    ):
        inputs_of_batch(WithWavelengths(), spec, batch)


def test_facts_that_nobody_asks_for_are_left_aside():
    batch = {"image": torch.ones(1, 2, 8, 8), "timestamps": [1], "bounds": [2], "crs": ["EPSG:1"]}
    assert inputs_of_batch(nn.Conv2d(2, 2, 1), None, batch)[1] == {}
    known = {"depth": 2, "mine": 3, "bounds": 4, "gsd": 5}
    assert resolve_inputs(inputs_of(WithAny()), None, known) == {"depth": 2, "mine": 3}


def test_what_is_missing_is_an_error_or_the_default_that_is_logged(caplog):
    with pytest.raises(DataError, match=r"depth: is not known, .*each sample 'depth'"):
        resolve_inputs([ModelInput("depth")], None, {})
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            gsd = resolve_inputs(
                [ModelInput("gsd", default=10.0)], None, {"gsd": torch.tensor([torch.nan])}
            )
            assert gsd == {"gsd": 10.0}
    (message,) = caplog.messages
    assert message.startswith("gsd of the images is not known: 10.0 is used")


def test_a_model_runs_without_an_optional_input_and_says_so_once(caplog):
    unknown = {"temporal_coords": torch.full((2, 1, 2), torch.nan)}
    assert resolve_inputs(DATE, None, unknown) == resolve_inputs(DATE, None, {}) == {}
    (message,) = caplog.messages
    assert "temporal_coords of the images is not known: the model runs without" in message


def test_a_batch_of_which_only_some_is_known_names_the_file():
    some = DATES.clone()
    some[1] = torch.nan
    facts = {"temporal_coords": some, "filename": ["a.tif", "b.tif"]}
    with pytest.raises(
        DataError, match=r"temporal_coords of b\.tif: is not known, but that of other"
    ):
        resolve_inputs(DATE, None, facts)


def test_a_model_is_given_what_it_was_trained_with():
    facts = {"temporal_coords": DATES, "filename": ["a.tif", "b.tif"]}
    trained = InputSpec().with_facts(["temporal_coords"])
    assert resolve_inputs(DATE, trained, facts)["temporal_coords"] is DATES
    assert resolve_inputs(DATE, InputSpec().with_facts([]), facts) == {}
    with pytest.raises(
        DataError, match=r"of a\.tif: is not known, but the model was trained with it"
    ):
        resolve_inputs(DATE, trained, {"filename": ["a.tif"]})


def test_what_a_training_had_is_not_known_of_old_checkpoints(caplog):
    assert spec_for_prediction(DATE, InputSpec()).facts == ()
    assert "It is not known whether the model was trained with temporal_coords" in caplog.text
    assert spec_for_prediction(DATE, InputSpec(), ["temporal_coords"]).facts == ("temporal_coords",)
    with pytest.raises(ConfigurationError, match="date: the model was trained without temporal_co"):
        spec_for_prediction(DATE, InputSpec().with_facts([]), ["temporal_coords"])


def test_a_batch_is_read_into_images_targets_and_facts():
    image = {"S2": torch.ones(2, 1, 4, 4)}
    parts = read_batch({"image": image, "mask": 1, "boxes": [2], "filename": ["a", "b"], "own": 3})
    assert parts.images is image
    assert parts.targets == {"mask": 1, "boxes": [2]}
    assert parts.facts.keys() == {"filename", "own", "missing"}
    assert parts.facts["missing"]["S2"].tolist() == [False, False]


def test_each_fact_says_what_it_holds():
    assert all(fact.holds and (fact.source or not fact.for_models) for fact in FACTS.values())
