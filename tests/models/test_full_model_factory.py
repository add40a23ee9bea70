"""The factory of whole models, and what it makes of a user's own module."""

import pytest
import torch
from tiny_backbones import TinyMaps
from torch import nn

from terratorch.errors import ArgumentNameError, ConfigurationError
from terratorch.models.encoder_decoder_factory import EncoderDecoderFactory
from terratorch.models.full_model_factory import FullModel, FullModelFactory
from terratorch.models.model import ModelOutput
from terratorch.models.pixel_wise_model import PixelWiseModel
from terratorch.registry import FULL_MODEL_REGISTRY, TERRATORCH_FULL_MODEL_REGISTRY


def build(*args, **kwargs):
    return FullModelFactory().build_model(*args, **kwargs)


def test_a_module_answers_with_a_tensor():
    model = build(nn.Conv2d(3, 2, 2, 2))
    output = model(torch.rand(1, 3, 9, 12))
    assert isinstance(output, ModelOutput)
    assert output.output.shape == (1, 2, 9, 12)


def test_without_rescale():
    model = build(nn.Conv2d(3, 2, 2, 2), rescale=False)
    assert model(torch.rand(1, 3, 8, 8)).output.shape == (1, 2, 4, 4)


def test_a_model_stays_as_it_is():
    parts = {"backbone": TinyMaps(), "decoder": "IdentityDecoder", "num_classes": 2}
    model = EncoderDecoderFactory().build_model("segmentation", **parts)
    assert isinstance(model, PixelWiseModel)
    assert build(model) is model


def test_by_name_with_arguments_in_both_forms():
    def whole(width, depth=1):
        return nn.Sequential(*(nn.Conv2d(3, width, 1) for _ in range(depth)))

    TERRATORCH_FULL_MODEL_REGISTRY.register_as(whole, "test_whole", overwrite=True)
    assert "test_whole" in FULL_MODEL_REGISTRY
    model = build("test_whole", task="segmentation", model_width=4, depth=1)
    assert model(torch.rand(1, 3, 8, 8)).output.shape == (1, 4, 8, 8)
    assert build("test_whole", width=4, num_classes=3)  # which only a task reads
    with pytest.raises(ArgumentNameError, match=r"'widht'.*Did you mean 'width'"):
        build("test_whole", widht=4)
    with pytest.raises(ConfigurationError, match="'width': is missing"):
        build("test_whole", depth=2)
    with pytest.raises(ArgumentNameError, match="model_width: is given twice"):
        build("test_whole", model_width=4, width=4)


def test_images_are_padded_to_the_patches():
    class Strict(nn.Module):
        patch_size = 4

        def forward(self, x):
            assert x.shape[-1] % 8 == 0
            return x

    x = torch.rand(1, 3, 10, 11)
    assert torch.equal(FullModel(Strict())(x).output, x)


def test_inputs_that_the_module_does_not_take_are_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'temporal_coords'"):
        build(nn.Conv2d(3, 2, 1))(torch.rand(1, 3, 8, 8), temporal_coords=torch.zeros(1, 1, 2))


def test_mistakes():
    with pytest.raises(ArgumentNameError, match="is not used: the model Conv2d is built"):
        build(nn.Conv2d(3, 2, 1), width=4)
    with pytest.raises(ConfigurationError, match="peft_config: is not available yet"):
        build(nn.Conv2d(3, 2, 1), peft_config={})
    with pytest.raises(ConfigurationError, match="Conv2d has no part 'encoder'"):
        build(nn.Conv2d(3, 2, 1)).freeze_encoder()
