"""Freezing, activations, and the normalisation of maps."""

import torch
from torch import nn

from terratorch.ops.modules import ChannelNorm, activation, freeze


def test_freeze():
    module = nn.Linear(2, 2)
    freeze(module)
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_activation_takes_a_name_a_class_or_a_module():
    module = nn.GELU()
    assert activation(module, "act") is module
    assert isinstance(activation(nn.GELU, "act"), nn.GELU)
    assert isinstance(activation("GELU", "act"), nn.GELU)
    assert isinstance(activation("torch.nn.GELU", "act"), nn.GELU)


def test_channel_norm_normalises_every_pixel_over_its_channels():
    maps = ChannelNorm(8)(torch.rand(2, 8, 3, 5))
    assert maps.shape == (2, 8, 3, 5)
    torch.testing.assert_close(maps.mean(1), torch.zeros(2, 3, 5), atol=1e-5, rtol=0)
