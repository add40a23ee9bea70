"""The plan covers every pixel and the weights sum to one, whatever the sizes."""

import logging
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from terratorch.errors import ArgumentNameError, ConfigurationError
from terratorch.tiles.blend import cosine_profile
from terratorch.tiles.engine import tile_weights
from terratorch.tiles.parameters import (
    TiledInferenceParameters,
    parse_tiled_inference_parameters,
)
from terratorch.tiles.plan import plan_tiles


@st.composite
def tilings(draw):
    crops = [draw(st.integers(1, 24)) for _ in range(2)]
    delta = draw(st.integers(0, (min(crops) - 1) // 2))
    return TiledInferenceParameters(
        h_crop=crops[0],
        w_crop=crops[1],
        h_stride=draw(st.integers(1, crops[0])),
        w_stride=draw(st.integers(1, crops[1])),
        delta=delta,
        average_patches=draw(st.booleans()),
        blend_overlaps=draw(st.booleans()),
        padding=draw(st.sampled_from(["reflect", False])),
    )


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), tilings())
def test_weights_sum_to_one_at_every_pixel(height, width, parameters):
    logging.disable(logging.WARNING)
    parameters.check()
    plan = plan_tiles(height, width, parameters)
    weights = tile_weights(plan, parameters, torch.device("cpu"))
    total = torch.zeros(height, width)
    finished = 0
    for row in range(len(plan.rows)):
        for tile in plan.tile_row(row):
            top, bottom, left, right = tile.kept
            assert tile.height <= max(parameters.h_crop, height)
            assert top >= finished
            total[top:bottom, left:right] += weights(tile)
        finished = plan.finished(row)
        assert torch.allclose(total[:finished], torch.ones(()), atol=1e-5)
    assert finished == height
    logging.disable(logging.NOTSET)


def test_a_scene_of_the_size_of_a_tile_is_one_tile():
    plan = plan_tiles(224, 100, TiledInferenceParameters())
    assert len(plan) == 1
    (tile,) = plan.tile_row(0)
    assert (tile.height, tile.width, tile.trim) == (224, 100, 0)


def test_tiles_reach_delta_beyond_the_scene_and_the_last_ends_with_it():
    plan = plan_tiles(300, 280, TiledInferenceParameters(128, 96, 128, 96, 8))
    assert plan.rows.starts == (-8, 88, 180)
    assert plan.columns.starts == (-8, 88, 160)
    plan = plan_tiles(300, 280, TiledInferenceParameters(128, 96, 128, 96, 8, padding=False))
    assert plan.rows.starts == (0, 96, 172)


def test_a_delta_that_leaves_gaps_is_lowered_and_told(caplog):
    with caplog.at_level(logging.WARNING, logger="terratorch"):
        plan = plan_tiles(300, 300, TiledInferenceParameters(128, 120, 128, 120, 8))
    assert plan.rows.delta == 4
    assert "delta: 8 would cause gaps at a stride of 120 x 120" in caplog.text


def test_a_profile_rises_like_a_cosine():
    profile = cosine_profile(6, 2)
    assert torch.allclose(profile, torch.tensor([0.25, 0.75, 1, 1, 0.75, 0.25]).double())
    assert torch.allclose(cosine_profile(3, 9), torch.tensor([0.5, 1.0, 0.5]).double())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delta": 112}, r"^tiled_inference_parameters.delta: 112 is dropped along each side of"),
        ({"h_stride": 225}, r"^tiled_inference_parameters.h_stride: 225 is more than h_crop .224"),
        ({"w_crop": 0}, r"^tiled_inference_parameters.w_crop: 0 is too small. Use at least 1"),
        ({"delta": -1}, r"^tiled_inference_parameters.delta: -1 is too small. Use at least 0"),
        ({"batch_size": 1.5}, r"^tiled_inference_parameters.batch_size: 1.5 is not a whole number"),
        ({"verbose": "yes"}, r"^tiled_inference_parameters.verbose: 'yes' is not true or false"),
        (
            {"padding": "reflct"},
            r"^tiled_inference_parameters.padding: 'reflct' .*Did you mean 're",
        ),
    ],
)
def test_values_that_cannot_be_used_are_named(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        replace(TiledInferenceParameters(), **changes).check()


def test_a_mapping_becomes_parameters():
    parsed = parse_tiled_inference_parameters({"crop": 128, "stride": 100, "w_stride": 64})
    assert parsed == TiledInferenceParameters(128, 100, 128, 64, 8)
    assert parse_tiled_inference_parameters(None) is None
    assert parse_tiled_inference_parameters(parsed) == parsed


def test_an_unknown_key_is_named_with_the_closest():
    with pytest.raises(ArgumentNameError, match=r"^model.tiled.strid: there is no .*mean 'stride'"):
        parse_tiled_inference_parameters({"strid": 4}, path="model.tiled")


def test_what_is_not_a_mapping_is_refused():
    with pytest.raises(ConfigurationError, match="224 is not a mapping"):
        parse_tiled_inference_parameters(224)
