"""Necks, decoders and heads against recorded values: same weights, same input, same output."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from terratorch.models import heads
from terratorch.registry import DECODER_REGISTRY, NECK_REGISTRY

FILE = Path(__file__).parents[1] / "data" / "parts_golden.safetensors"
BUILDERS = {
    "neck": NECK_REGISTRY.build,
    "decoder": DECODER_REGISTRY.build,
    "head": lambda name, *args, **kwargs: getattr(heads, name)(*args, **kwargs),
}
with safe_open(FILE, "pt") as golden:
    CASES = {name: json.loads(text) for name, text in golden.metadata().items()}
    TENSORS = {key: golden.get_tensor(key) for key in golden.keys()}  # noqa: SIM118 - no mapping


def part(name, kind):
    prefix = f"{name}.{kind}."
    return {key.removeprefix(prefix): v for key, v in TENSORS.items() if key.startswith(prefix)}


@pytest.mark.parametrize("name", sorted(CASES))
@torch.no_grad()
def test_golden(name):
    case = CASES[name]
    module = BUILDERS[case["registry"]](case["name"], *case["build_args"], **case["build_kwargs"])
    module.eval().load_state_dict(part(name, "state"), strict=True)
    inputs = part(name, "input")
    features = inputs["0"] if "0" in inputs else [inputs[f"0.{i}"] for i in range(len(inputs))]
    outputs = module(features, **case["keywords"])
    expected = part(name, "output")
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
    assert len(outputs) == len(expected)
    for index, output in enumerate(outputs):
        torch.testing.assert_close(output, expected[str(index)], rtol=1e-5, atol=1e-5)
