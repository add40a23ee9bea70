"""Tiled inference against recorded values: tile plans, blending, padding, and odd sizes."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from hashed import hashed
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.tiled import tiled_inference

FILE = Path(__file__).parents[1] / "data" / "tiled_golden.safetensors"
with safe_open(FILE, "pt") as golden:
    CASES = {name: json.loads(text) for name, text in golden.metadata().items()}
    EXPECTED = {name: golden.get_tensor(name) for name in CASES}


def chip_mean(x):
    """Subtract what depends on the whole tile, so that each seam shows."""
    return x[:, :2] - x.mean(dim=(2, 3), keepdim=True)[:, :2] + 0.01 * torch.arange(x.shape[-1])


MODELS = {
    "identity": lambda x: x,
    "chip_mean": chip_mean,
    "mean over time of identity": lambda x: x.mean(2),
    "x[:, 0] (no channel axis)": lambda x: x[:, 0],
    "cat([b, 2*a], 1)": lambda x: torch.cat([x["b"], 2 * x["a"]], 1),
}


def inputs_of(case):
    described = case["inputs"]
    if isinstance(described, dict):
        return {name: hashed(*part).float() for name, part in described.items()}
    return hashed(*described).float()


@pytest.mark.parametrize("name", sorted(CASES))
def test_tiles_join_to_the_recorded_values(name):
    case = CASES[name]
    output = tiled_inference(MODELS[case["model"]], inputs_of(case), **case["kwargs"])
    assert list(output.shape) == case["shape"]
    sample = output.flatten()[:: case["step"]][: len(EXPECTED[name])]
    torch.testing.assert_close(sample, EXPECTED[name], rtol=0, atol=2e-5)


def test_the_parameters_in_one_object_give_the_same_tiles():
    case = CASES["tiled_035"]
    parameters = TiledInferenceParameters(**case["kwargs"])
    together = tiled_inference(chip_mean, inputs_of(case), inference_parameters=parameters)
    singly = tiled_inference(chip_mean, inputs_of(case), **case["kwargs"])
    assert torch.equal(together, singly)
