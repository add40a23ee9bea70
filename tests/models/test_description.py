"""The description of a built model."""

import pytest
import torch
from tiny_backbones import TinyMaps
from torch import nn

from terratorch.contracts.model_description import ModelDescription, WeightsOrigin, description_of
from terratorch.models.encoder_decoder_factory import EncoderDecoderFactory
from terratorch.models.full_model_factory import FullModelFactory
from terratorch.models.model import AuxiliaryHead
from terratorch.registry import BACKBONE_REGISTRY

TINY = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
PRITHVI = {"backbone": "prithvi_eo_v2_300", "decoder": "FCNDecoder", "num_classes": 3}
PRITHVI |= {"task": "segmentation"} | {f"backbone_{key}": value for key, value in TINY.items()}


def described(**arguments):
    return description_of(EncoderDecoderFactory().build_model(**arguments))


def test_a_model_of_parts():
    aux = [AuxiliaryHead("deep", "FCNDecoder", {})]
    assert described(**PRITHVI, aux_decoders=aux) == ModelDescription(
        backbone="prithvi_eo_v2_300",
        decoder="FCNDecoder",
        necks=("ReshapeTokensToImage",),
        aux_heads=("deep",),
        in_chans=6,
        chip_size=(32, 32),
        num_classes=3,
    )


@pytest.mark.parametrize(
    "form",
    [
        {"backbone_bands": ["red", [3, 4]]},
        {"backbone_kwargs": {"bands": ["red", [3, 4]]}},
    ],
)
def test_bands_that_the_user_named(form):
    model = described(**PRITHVI, **form)
    assert (model.bands, model.bands_argument, model.in_chans) == (
        ("RED", 3, 4),
        "backbone_bands",
        3,
    )


def test_bands_of_the_weights_that_it_started_from(tmp_path):
    file = tmp_path / "weights.pt"
    torch.save(BACKBONE_REGISTRY.build("prithvi_eo_v2_300", **TINY).state_dict(), file)
    model = described(**PRITHVI, backbone_ckpt_path=str(file))
    assert model.bands == ("BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2")
    assert model.bands_argument is None
    assert model.weights == WeightsOrigin(str(file))


def test_a_number_of_bands():
    assert described(**PRITHVI, backbone_in_chans=4).in_chans == 4


def test_a_backbone_that_is_built_already():
    model = described(
        task="regression", backbone=TinyMaps(), decoder="UNetDecoder", decoder_channels=[4, 4, 4]
    )
    assert (model.backbone, model.in_chans, model.num_outputs) == ("TinyMaps", None, 1)


def test_a_whole_model():
    sizes = {"decoder_embed_dim": 16, "decoder_depth": 1, "decoder_num_heads": 2}
    model = FullModelFactory().build_model(
        "prithvi_eo_v1_100_mae", **TINY, **sizes, in_chans=4, num_classes=2
    )
    facts = description_of(model)
    assert (facts.backbone, facts.in_chans, facts.num_classes) == ("prithvi_eo_v1_100_mae", 4, 2)


def test_a_model_of_no_factory_is_not_described():
    assert description_of(nn.Identity()) is None
