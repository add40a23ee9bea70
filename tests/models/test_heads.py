"""Heads."""

import pytest
import torch
from torch import nn

from terratorch.errors import ConfigurationError
from terratorch.models.heads import (
    ClassificationHead,
    RegressionHead,
    ScalarHead,
    SegmentationHead,
)
from terratorch.registry import HEAD_REGISTRY


def test_registered_names():
    assert list(HEAD_REGISTRY) == sorted(
        ["ClassificationHead", "RegressionHead", "ScalarHead", "SegmentationHead"]
    )
    assert HEAD_REGISTRY["ClassificationHead"] is ClassificationHead


@pytest.mark.parametrize(
    ("head", "shape", "expected"),
    [
        (SegmentationHead(8, 3, [6], 0.1), (2, 8, 5, 7), (2, 3, 5, 7)),
        (RegressionHead(8, 2, "ReLU", 1, [6, 4], dropout=0.1), (2, 8, 5, 7), (2, 2, 10, 14)),
        (RegressionHead(8, final_act=nn.Tanh()), (2, 8, 5, 7), (2, 1, 5, 7)),
        (ScalarHead(8, num_outputs=2, dim_list=[4]), (2, 8, 5, 7), (2, 2)),
        (ClassificationHead(8, num_classes=3), (2, 8), (2, 3)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_shapes(head, shape, expected, dtype):
    output = head.eval().to(dtype)(torch.rand(shape, dtype=dtype))
    assert (output.shape, output.dtype) == (expected, dtype)


def test_meta():
    with torch.device("meta"):
        assert RegressionHead(8, 1, None, 1, [4])(torch.rand(2, 8, 5, 7)).shape == (2, 1, 10, 14)


def test_no_batch_norm_builds_none():
    head = RegressionHead(8, learned_upscale_layers=1, channel_list=[4], batch_norm=False)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in head.modules())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ScalarHead(8), "neither given"),
        (lambda: ScalarHead(8, num_outputs=1, num_classes=2), "both given"),
        (lambda: RegressionHead(8, 0), "num_outputs: is 0"),
        (lambda: RegressionHead(8, final_act="Rellu"), "Did you mean ReLU"),
        (lambda: RegressionHead(8, final_act="functional"), "is not a module of torch.nn"),
    ],
)
def test_mistakes(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()
