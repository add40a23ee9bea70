"""Whole models against recorded values: same arguments, weights and input, same output."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from hashed import fill_with_hashes, hashed
from terratorch.models.encoder_decoder_factory import EncoderDecoderFactory
from terratorch.models.model import ModelOutput

FILE = Path(__file__).parents[1] / "data" / "factories_golden.safetensors"
with safe_open(FILE, "pt") as golden:
    CASES = {name: json.loads(text) for name, text in golden.metadata().items()}
    TENSORS = {key: golden.get_tensor(key) for key in golden.keys()}  # noqa: SIM118 - no mapping


def outputs_of(answer):
    if not isinstance(answer, ModelOutput):
        return {str(index): feature for index, feature in enumerate(answer)}
    auxiliary = {f"auxiliary_heads.{name}": v for name, v in answer.auxiliary_heads.items()}
    return {"output": answer.output, **auxiliary}


@pytest.mark.parametrize("name", sorted(CASES))
@torch.no_grad()
def test_golden(name):
    case = CASES[name]
    model = fill_with_hashes(EncoderDecoderFactory().build_model(**case["build_kwargs"]))
    key, shape = case["input"]
    outputs = outputs_of(model(hashed(key, shape).float()))
    assert {key: list(value.shape) for key, value in outputs.items()} == case["shapes"]
    for key, (step, count) in case["sampled"].items():
        sample = outputs[key].flatten()[::step][:count]
        torch.testing.assert_close(sample, TENSORS[f"{name}.{key}"], rtol=1e-5, atol=2e-5)
