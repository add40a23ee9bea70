"""Decoders: every registered one, those of segmentation-models-pytorch included."""

import pytest
import torch
from part_tester import FLAT, PYRAMID, Part, PartTester, half_types

from terratorch.contracts.features import ANYTHING, MAPS
from terratorch.contracts.features import PYRAMID as NEEDS_PYRAMID
from terratorch.errors import ArgumentNameError, ConfigurationError
from terratorch.models.decoders import LinearDecoder, MLPDecoder, SatMAEHead, UNetDecoder
from terratorch.models.decoders.base import needs_of
from terratorch.registry import DECODER_REGISTRY

VECTORS = ((2, 16), (2, 16))
ASPP = {"channels": 8, "dilations": (1, 2)}
# Smaller than real encoders' features, and neither square nor even.
LEVELS = ((2, 8, 40, 36), (2, 8, 20, 18), (2, 16, 10, 9), (2, 16, 5, 5), (2, 16, 3, 3))
PARTS = {
    "terratorch_ASPPHead": Part(FLAT, {"in_channels": 16, **ASPP}),
    "terratorch_ASPPSegmentationHead": Part(FLAT, {"num_classes": 3, **ASPP}),
    "terratorch_ASPPRegressionHead": Part(FLAT, {"out_channels": 2, **ASPP}),
    "terratorch_FCNDecoder": Part(FLAT, {"channels": 4, "num_convs": 2}),
    "terratorch_IdentityDecoder": Part(PYRAMID),
    "terratorch_LinearDecoder": Part(FLAT, {"num_classes": 3, "upsampling_size": 4}),
    "terratorch_MLPDecoder": Part(VECTORS),
    "terratorch_UNetDecoder": Part(PYRAMID, {"channels": [16, 8, 8, 4]}),
    "terratorch_UperNetDecoder": Part(PYRAMID, {"channels": 4}),
    "smp_DPT": Part(FLAT, {"decoder_fusion_channels": 8}),
    "smp_DeepLabV3": Part(LEVELS, {"decoder_channels": 8}),
    "smp_DeepLabV3Plus": Part(LEVELS, {"decoder_channels": 8}),
    "smp_FPN": Part(LEVELS, {"decoder_pyramid_channels": 32, "decoder_segmentation_channels": 32}),
    "smp_Linknet": Part(LEVELS),
    "smp_MAnet": Part(LEVELS, {"decoder_channels": [16, 16, 8, 8]}),
    "smp_PAN": Part(((2, 8, 125, 97), (2, 8, 63, 49), (2, 16, 32, 25), (2, 16, 16, 13))),
    "smp_PSPNet": Part(LEVELS, {"psp_out_channels": 8}),
    "smp_Segformer": Part(LEVELS, {"decoder_segmentation_channels": 8}),
    "smp_UPerNet": Part(LEVELS, {"decoder_channels": 8}),
    "smp_Unet": Part(LEVELS, {"decoder_channels": [16, 8, 8, 4]}),
    "smp_UnetPlusPlus": Part(LEVELS, {"decoder_channels": [16, 8, 8, 4]}),
}
# Built on their own: they take something else than a list of features.
APART = {"terratorch_ASPPModule", "terratorch_SatMAEHead"}
NAMES = [name for name in DECODER_REGISTRY if name not in APART]


@pytest.mark.parametrize("name", NAMES)
class TestEveryDecoder(PartTester):
    def build(self, name, part):
        channels = [] if name.endswith("ASPPHead") else [part.channels]
        return DECODER_REGISTRY.build(name, *channels, **part.arguments)

    def expected_channels(self, module, part):
        return [module.out_channels]

    def test_channels(self, name):
        self.check_channels(name, PARTS[name])

    @half_types()
    def test_half(self, name, dtype):
        self.check_half(name, PARTS[name], dtype)

    def test_meta(self, name):
        self.check_meta(name, PARTS[name])

    def test_copies(self, name):
        self.check_copies(name, PARTS[name])

    def test_gradients(self, name):
        self.check_gradients(name, PARTS[name])

    @pytest.mark.slow
    def test_export(self, name):
        self.check_export(name, PARTS[name])


def test_smp_names_with_and_without_their_prefix():
    assert "Unet" in DECODER_REGISTRY
    assert "smp_Unet" in DECODER_REGISTRY
    assert DECODER_REGISTRY.definition("smp_Unet").module.startswith("segmentation_models_pytorch")
    assert len([name for name in DECODER_REGISTRY if name.startswith("smp_")]) == 12


@pytest.mark.parametrize(
    ("name", "channels", "arguments", "message"),
    [
        ("smp_Unet", [8, 8, 8], {"decoder_channel": [8, 8]}, "Did you mean 'decoder_channels'"),
        ("smp_Unet", [8, 8, 8], {"decoder_channels": [8]}, "has 1 entries, but Unet has 2 blocks"),
        ("smp_FPN", [8, 8, 8], {}, "needs at least 4 features, but gets 3"),
        ("UNetDecoder", [8, 8], {"channels": [8]}, "has 1 entries, but UNetDecoder gets 2"),
        ("MLPDecoder", [8, 8], {"channels": 32}, "decoder_channels: is 32, but MLPDecoder gives"),
        ("MLPDecoder", [8, 8], {"activation": "Relu"}, "Did you mean ReLU"),
        ("ASPPSegmentationHead", [8], {}, "ASPPSegmentationHead.channels: is missing"),
        ("SatMAEHead", [8], {"out_channels": 4}, "SatMAEHead.patch_size: is missing"),
    ],
)
def test_mistakes(name, channels, arguments, message):
    with pytest.raises((ConfigurationError, ArgumentNameError), match=message):
        DECODER_REGISTRY.build(name, channels, **arguments)


def test_what_they_declare_to_need():
    assert needs_of(UNetDecoder, {}) == NEEDS_PYRAMID
    upernet = DECODER_REGISTRY["terratorch"]["UperNetDecoder"]
    assert needs_of(upernet, {}) == NEEDS_PYRAMID
    assert needs_of(upernet, {"scale_modules": True}) == MAPS
    assert needs_of(MLPDecoder([4]), {}).takes("vectors")
    assert needs_of(lambda channels: None, {}) == ANYTHING
    assert needs_of(DECODER_REGISTRY["smp"]["Unet"], {}) == NEEDS_PYRAMID
    assert needs_of(DECODER_REGISTRY["smp"]["DPT"], {}).levels == 4


def test_a_linear_probe_predicts_its_classes():
    assert LinearDecoder.includes_head
    assert LinearDecoder([4], 3, 8)([torch.rand(1, 4, 2, 3)]).shape == (1, 3, 16, 24)


def test_aspp_says_how_many_channels_there_are():
    decoder = DECODER_REGISTRY.build("ASPPHead", in_channels=8, channels=4)
    with pytest.raises(ConfigurationError, match=r"is 8, but .*Set decoder_in_channels: 16"):
        decoder([torch.rand(1, 16, 4, 4)])


def test_aspp_joins_maps_of_several_sizes():
    decoder = DECODER_REGISTRY.build(
        "ASPPSegmentationHead",
        [8, 12],
        channels=4,
        dilations=(1, 2),
        input_transform="resize_concat",
        in_index=[0, 1],
        head_dropout_ratio=0.0,
    ).eval()
    assert decoder([torch.rand(1, 8, 7, 5), torch.rand(1, 12, 4, 3)]).shape == (1, 2, 7, 5)


def test_a_masked_image_is_rebuilt():
    sizes = {"embed_dim": 8, "out_channels": 4, "num_heads": 2, "mlp_ratio": 1.0}
    head = SatMAEHead(**sizes, patch_size=2, num_patches=4, depth=1, in_chans=3).eval()
    order = torch.tensor([[3, 0, 1, 2]])
    assert head(torch.rand(1, 3, 8), order).shape == (1, 3, 4, 4)
