"""The factories: whole models from names, and their messages when something does not fit."""

import logging

import pytest
import torch
from tiny_backbones import TinyMaps, TinyTokens, TinyVector
from torch import nn

from terratorch.contracts.features import Feature, FeatureKind
from terratorch.errors import ArgumentNameError, ConfigurationError, DataError
from terratorch.models.encoder_decoder_factory import EncoderDecoderFactory
from terratorch.models.model import AuxiliaryHead, Model
from terratorch.models.necks import (
    LearnedInterpolateToPyramidal,
    MergeModalities,
    ReshapeTokensToImage,
    SelectIndices,
)
from terratorch.registry import (
    BACKBONE_REGISTRY,
    DECODER_REGISTRY,
    TERRATORCH_BACKBONE_REGISTRY,
    TERRATORCH_DECODER_REGISTRY,
)


def build(**arguments) -> Model:
    return EncoderDecoderFactory().build_model(**arguments)


UNET = {"task": "segmentation", "backbone": "TinyMaps", "decoder": "UNetDecoder", "num_classes": 3}
UNET["decoder_channels"] = [8, 6, 4]
FCN = {"task": "segmentation", "backbone": "TinyTokens", "decoder": "FCNDecoder", "num_classes": 3}
FCN |= {"decoder_channels": 4, "decoder_num_convs": 1}


@pytest.mark.parametrize("size", [(64, 64), (37, 51)])
def test_segmentation_gives_logits_of_the_size_of_the_image(size):
    model = build(**UNET).eval()
    output = model(torch.rand(2, 3, *size))
    assert output.output.shape == (2, 3, *size)
    assert output.auxiliary_heads == {}
    assert {key.split(".")[0] for key in model.state_dict()} == {"encoder", "decoder", "head"}


def test_timm_and_its_levels():
    model = build(**{**UNET, "backbone": "timm_test_resnet", "backbone_out_indices": [1, 2, 3]})
    assert model(torch.rand(2, 3, 64, 64)).output.shape == (2, 3, 64, 64)


@pytest.mark.parametrize("size", [(64, 64), (60, 50)])
def test_tokens_are_padded_laid_out_and_cropped(size):
    model = build(**FCN).eval()
    assert model(torch.rand(1, 3, *size)).output.shape == (1, 3, *size)
    assert isinstance(model.neck[0], ReshapeTokensToImage)


def test_without_rescale_the_decoder_says_the_size():
    model = build(**FCN, rescale=False)
    assert model(torch.rand(1, 3, 64, 64)).output.shape == (1, 3, 16, 16)


def test_image_size_out_crops():
    model = build(**FCN, image_size_out=(40, 48))
    assert model(torch.rand(1, 3, 64, 64)).output.shape == (1, 3, 40, 48)


def test_image_size_out_is_refused_where_there_is_no_map():
    with pytest.raises(ConfigurationError, match=r"image_size_out: .* predicts no map"):
        build(**{**FCN, "task": "classification", "image_size_out": (8, 8)})


def test_further_inputs_reach_the_encoder():
    model, x = build(**FCN).eval(), torch.rand(1, 3, 32, 32)
    assert not torch.equal(model(x).output, model(x, scale=torch.tensor(0.0)).output)


def test_inputs_that_the_encoder_does_not_take_are_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'temporal_coords'"):
        build(**FCN)(torch.rand(1, 3, 32, 32), temporal_coords=torch.zeros(1, 1, 2))


@pytest.mark.parametrize(
    ("task", "arguments", "shape"),
    [
        ("regression", {}, (2, 64, 64)),
        ("regression", {"num_outputs": 2}, (2, 2, 64, 64)),
        ("classification", {"num_classes": 5, "decoder": "IdentityDecoder"}, (2, 5)),
        ("scalar_regression", {"num_outputs": 2, "decoder": "MLPDecoder"}, (2, 2)),
        ("segmentation", {"num_classes": 3, "decoder": "smp_PSPNet"}, (2, 3, 64, 64)),
    ],
)
def test_tasks(task, arguments, shape):
    model = build(**{"task": task, "backbone": "TinyTokens", "decoder": "FCNDecoder", **arguments})
    assert model.eval()(torch.rand(2, 3, 64, 64)).output.shape == shape


def test_embeddings_are_the_features_as_they_are():
    necks = [{"name": "SelectIndices", "indices": [1, 3]}]
    model = build(task="embedding_generation", backbone="TinyTokens", necks=necks)
    assert [feature.shape for feature in model(torch.rand(2, 3, 32, 32))] == [(2, 17, 8)] * 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"backbone": "TinyVector", "backbone_out_channels": 64},
        {"backbone": "tiny_vector_128"},
        {"backbone": TinyVector(32)},
    ],
)
def test_a_backbone_that_returns_a_vector(arguments):
    model = build(task="classification", decoder="IdentityDecoder", num_classes=3, **arguments)
    assert model(torch.rand(2, 1, 16, 16)).output.shape == (2, 3)
    assert BACKBONE_REGISTRY.build("TinyVector", out_channels=64).out_channels == [64]


class TestBothForms:
    def test_the_same_model(self):
        nested = {key: value for key, value in UNET.items() if key != "decoder_channels"}
        nested |= {"decoder_kwargs": {"channels": [8, 6, 4]}, "backbone_kwargs": {"width": 6}}
        one = build(**nested, head_kwargs={"dropout": 0.1})
        other = build(**UNET, backbone_width=6, head_dropout=0.1)
        assert str(one) == str(other)

    def test_the_user_s_dictionaries_stay_as_they_are(self):
        kwargs = {"width": 6}
        build(**UNET, backbone_kwargs=kwargs, backbone_in_chans=3)
        assert kwargs == {"width": 6}

    def test_an_argument_in_both_is_refused(self):
        message = r"model_args.backbone_width: is given twice: also as backbone_kwargs.width"
        with pytest.raises(ArgumentNameError, match=message):
            build(**UNET, backbone_kwargs={"width": 6}, backbone_width=6)


class TestDefaultNecks:
    def test_a_pyramid_of_tokens(self, caplog):
        with caplog.at_level(logging.INFO, "terratorch"):
            model = build(
                task="segmentation",
                backbone="TinyTokens",
                backbone_depth=12,
                decoder="UperNetDecoder",
                decoder_channels=4,
                num_classes=2,
            )
        names = [type(neck).__name__ for neck in model.neck]
        assert names == ["SelectIndices", "ReshapeTokensToImage", "LearnedInterpolateToPyramidal"]
        assert model.neck[0].indices == [2, 5, 8, 11]
        assert "necks:\n  - name: SelectIndices\n    indices: [2, 5, 8, 11]" in caplog.text
        assert model.eval()(torch.rand(1, 3, 64, 48)).output.shape == (1, 2, 64, 48)

    def test_four_layers_need_no_selection(self):
        arguments = {"decoder_channels": 4, "backbone_depth": 4, "num_classes": 2}
        model = build(
            task="segmentation", backbone="TinyTokens", decoder="UperNetDecoder", **arguments
        )
        assert not any(isinstance(neck, SelectIndices) for neck in model.neck)

    def test_time_steps(self):
        model = build(**FCN, backbone_frames=3)
        assert model.neck[0].effective_time_dim == 3
        assert model(torch.rand(1, 3, 3, 32, 32)).output.shape == (1, 3, 32, 32)

    def test_maps_need_none(self):
        assert len(build(**UNET).neck) == 0

    def test_given_necks_are_used_as_they_are(self):
        model = build(**FCN, necks=[{"name": "ReshapeTokensToImage", "h": 4}])
        assert len(model.neck) == 1
        assert model.neck[0].h == 4

    def test_maps_of_one_size(self, caplog):
        backbone = TinyMaps()
        backbone.features = (Feature(4, FeatureKind.MAPS, 8),) * 3
        arguments = {"decoder_channels": 4, "num_classes": 2, "backbone": backbone}
        model = build(task="segmentation", decoder="UperNetDecoder", **arguments)
        assert [type(neck) for neck in model.neck] == [SelectIndices, LearnedInterpolateToPyramidal]
        with caplog.at_level(logging.WARNING, "terratorch"):
            build(task="segmentation", decoder="UperNetDecoder", necks=[], **arguments)
        assert "gives 3 of one size" in caplog.text
        assert "- name: LearnedInterpolateToPyramidal" in caplog.text

    def test_maps_of_unknown_size_stay_as_they_are(self):
        backbone = TinyMaps()
        backbone.features = (Feature(4, FeatureKind.MAPS),) * 3
        assert len(build(**{**UNET, "backbone": backbone}).neck) == 0

    def test_dpt_gets_four_maps_of_one_size(self):
        model = build(
            task="segmentation",
            backbone="TinyTokens",
            backbone_depth=12,
            decoder="smp_DPT",
            decoder_decoder_fusion_channels=8,
            num_classes=2,
        )
        assert model.eval()(torch.rand(1, 3, 48, 80)).output.shape == (1, 2, 48, 80)


def test_the_backbone_stops_at_the_deepest_feature_that_is_read():
    necks = [{"name": "SelectIndices", "indices": [0, -3]}, {"name": "ReshapeTokensToImage"}]
    model = build(**FCN, necks=necks)
    assert model.encoder.stop == 3
    assert model(torch.rand(1, 3, 32, 32)).output.shape == (1, 3, 32, 32)


class TestAuxiliaryHeads:
    aux = AuxiliaryHead("deep", "FCNDecoder", {"decoder_channels": 4, "head_channel_list": [2]})

    def test_each_has_its_own_head(self):
        model = build(**FCN, aux_decoders=[self.aux]).eval()
        output = model(torch.rand(1, 3, 32, 32))
        assert output.auxiliary_heads["deep"].shape == (1, 3, 32, 32)
        keys = [key for key in model.state_dict() if key.startswith("aux_heads.deep.1")]
        assert "aux_heads.deep.1.head.0.0.0.weight" in keys
        assert "head.head.0.0.0.weight" not in model.state_dict()

    def test_a_dictionary_will_do(self):
        aux = {"name": "deep", "decoder": "FCNDecoder", "decoder_args": {"decoder_channels": 4}}
        assert list(build(**FCN, aux_decoders=[aux]).aux_heads) == ["deep"]

    def test_one_that_includes_its_head(self):
        aux = AuxiliaryHead("probe", "LinearDecoder", {"decoder_upsampling_size": 8})
        model = build(**FCN, aux_decoders=[aux])
        assert model(torch.rand(1, 3, 32, 32)).auxiliary_heads["probe"].shape == (1, 3, 32, 32)

    @pytest.mark.parametrize(
        ("aux", "message"),
        [
            ({"decoder": "FCNDecoder"}, r"aux_decoders\[0\]: has decoder"),
            (
                AuxiliaryHead("a", "FCNDecoder", {"channels": 4}),
                r"aux_decoders\[0\].decoder_args: 'channels'",
            ),
            (
                AuxiliaryHead("a", "FCNDecoder", {"decoder_channel": 4}),
                r"'aux_decoders\[0\].decoder_args.decoder_channel'.*decoder_args.decoder_channels'",
            ),
        ],
    )
    def test_mistakes(self, aux, message):
        with pytest.raises(ConfigurationError, match=message):
            build(**FCN, aux_decoders=[aux])


PROBE = {"task": "segmentation", "backbone": "TinyTokens", "num_classes": 3}


class TestDecodersThatIncludeTheirHead:
    def test_no_other_head_is_built(self):
        model = build(**PROBE, decoder="LinearDecoder", decoder_upsampling_size=8)
        assert not any(key.startswith("head.") for key in model.state_dict())
        assert model(torch.rand(1, 3, 32, 32)).output.shape == (1, 3, 32, 32)

    def test_regression_sizes_it_by_its_own_argument(self):
        aspp = {"decoder": "ASPPRegressionHead", "decoder_channels": 4, "num_outputs": 2}
        model = build(task="regression", backbone="TinyTokens", **aspp).eval()
        assert model(torch.rand(1, 3, 32, 32)).output.shape == (1, 2, 32, 32)

    def test_arguments_of_a_head_are_refused(self):
        with pytest.raises(ConfigurationError, match="includes its head, so that nothing uses"):
            build(
                **PROBE,
                decoder="LinearDecoder",
                decoder_upsampling_size=8,
                head_dropout=0.1,
            )

    def test_one_of_ones_own(self):
        class Probe(nn.Module):
            includes_head = True

            def __init__(self, channels, num_classes):
                super().__init__()
                self.conv = nn.Conv2d(channels[-1], num_classes, 1)

            def forward(self, features):
                return self.conv(features[-1])

        TERRATORCH_DECODER_REGISTRY.register_as(Probe, "TestProbe", overwrite=True)
        necks = [{"name": "ReshapeTokensToImage"}]
        model = build(**PROBE, decoder="TestProbe", necks=necks)
        assert model(torch.rand(1, 3, 32, 32)).output.shape == (1, 3, 32, 32)


def test_names_of_auxiliary_heads_are_checked():
    twice = [AuxiliaryHead("a", "FCNDecoder", {}), AuxiliaryHead("a", "FCNDecoder", {})]
    with pytest.raises(
        ConfigurationError, match=r"aux_decoders\[1\].name: is 'a', the name of another"
    ):
        build(**FCN, aux_decoders=twice)
    with pytest.raises(ConfigurationError, match="with a dot in it"):
        build(**FCN, aux_decoders=[AuxiliaryHead("a.b", "FCNDecoder", {})])


def test_modules_instead_of_names():
    decoder = DECODER_REGISTRY.build("FCNDecoder", [4, 4, 4], channels=4, num_convs=1)
    model = build(task="segmentation", backbone=TinyMaps(), decoder=decoder, num_classes=2)
    assert model.decoder is decoder
    assert model(torch.rand(1, 3, 32, 32)).output.shape == (1, 2, 32, 32)


class TestFreezing:
    def trained(self, model):
        return {key.split(".")[0] for key, p in model.named_parameters() if p.requires_grad}

    def test_encoder(self):
        model = build(**UNET)
        model.freeze_encoder()
        assert self.trained(model) == {"decoder", "head"}

    def test_decoder_with_necks_and_head(self):
        arguments = {"decoder_channels": 4, "num_classes": 2, "decoder": "UperNetDecoder"}
        aux = [AuxiliaryHead("a", "FCNDecoder", {"decoder_in_index": 2, "decoder_channels": 4})]
        model = build(task="segmentation", backbone="TinyTokens", aux_decoders=aux, **arguments)
        model.freeze_decoder()
        assert self.trained(model) == {"encoder", "head", "aux_heads"}
        model.freeze_head()
        assert self.trained(model) == {"encoder"}

    def test_an_encoder_that_knows_better(self):
        class Prompted(TinyMaps):
            def freeze(self):
                self.stages[0].requires_grad_(False)

        model = build(**{**UNET, "backbone": Prompted()})
        model.freeze_encoder()
        assert model.encoder.stages[1].weight.requires_grad
        assert not model.encoder.stages[0].weight.requires_grad


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "segment"}, "model_args.task: is 'segment'. Did you mean 'segmentation'"),
        ({"backbone": "TinyMap"}, "backbone 'TinyMap'.*Did you mean 'TinyMaps'"),
        ({"decoder": "UNetDecode"}, "decoder 'UNetDecode'.*Did you mean 'UNetDecoder'"),
        ({"decoder": None}, "model_args.decoder: is missing"),
        ({"num_classes": None}, "model_args.num_classes: is missing"),
        ({"num_outputs": 2}, "model_args.num_outputs: is 2, but this task does not use it"),
        ({"peft_config": {"method": "LORA"}}, "peft_config: is not available yet"),
        ({"width": 3}, "model_args: 'width'.*Did you mean 'backbone_width'"),
        ({"num_class": 3}, "Did you mean 'num_classes'"),
        ({"backbone_widht": 3, "head_drop": 0.1}, "'backbone_widht', 'head_drop'"),
        ({"decoder_channels": [8, 6]}, "has 2 entries, but UNetDecoder gets 3 features"),
        (
            {"necks": [{"name": "SelectIndices", "indices": [3]}]},
            r"necks\[0\].indices has 3, but `TinyMaps` gives 3 features \(0 to 2\)",
        ),
        (
            {"necks": "SelectIndices"},
            "necks: must be a list, but is 'SelectIndices'. Name each neck",
        ),
        ({"necks": ["SelectIndices"]}, r"necks\[0\].name: is missing in 'SelectIndices'"),
        (
            {"necks": [{"name": "SelectIndices", "indices": ["a"]}]},
            r"necks\[0\]: SelectIndices.indices: has 'a', but there are 3 features",
        ),
        (
            {"necks": [{"name": "PermuteDims", "new_order": [0, 2]}]},
            r"necks\[0\]: PermuteDims.new_order: is \[0, 2\]",
        ),
        ({"decoder_chanels": 3}, r"'decoder_chanels'.*Did you mean 'decoder_channels'\? Known"),
        (
            {"decoder": "FCNDecoder", "decoder_channels": 4, "decoder_in_index": 3},
            r"decoder_in_index: has 3, but there are 3 features \(0 to 2\)",
        ),
        (
            {"decoder": "smp_Unet", "decoder_channels": [4]},
            "model_args: 'decoder_channels': nothing .* Did you mean 'decoder_decoder_channels'",
        ),
        (
            {"decoder": "MLPDecoder", "decoder_channels": 100},
            r"'MLPDecoder': needs features of one size, but backbone 'TinyMaps' gives strides \[",
        ),
        ({"head_num_classes": 9}, "model_args.head_num_classes: is 9, but num_classes is"),
        ({"backbone": TinyMaps(), "backbone_width": 3}, "is built already and cannot use"),
        ({"backbone": nn.Linear(1, 1)}, "backbone 'Linear': has no list out_channels"),
        (
            {"backbone": "TinyTokens", "necks": []},
            r"needs maps \(B, C, H, W\), but backbone 'TinyTokens' gives tokens \(B, N, C\)",
        ),
        (
            {"backbone": "TinyTokens", "necks": [{"name": "AggregateTokens"}]},
            r"but necks\[0\] gives vectors \(B, C\). Choose other necks",
        ),
    ],
)
def test_mistakes(changes, message):
    with pytest.raises((ConfigurationError, KeyError), match=message):
        build(**{**UNET, **changes})


def test_the_necks_to_add_can_be_pasted():
    with pytest.raises(ConfigurationError) as caught:
        build(**{**UNET, "backbone": "TinyTokens", "necks": []})
    pasted = caught.value.advice.split("\n", 1)[1]
    assert pasted == (
        "necks:\n"
        "  - name: SelectIndices\n"
        "    indices: [0, 2, 3, 5]\n"
        "  - name: ReshapeTokensToImage\n"
        "  - name: LearnedInterpolateToPyramidal"
    )


def test_what_was_written_is_noted_on_an_error_of_a_constructor():
    with pytest.raises(TypeError) as caught:
        build(**{**UNET, "decoder": "FCNDecoder", "decoder_channels": [4, 4]})
    assert caught.value.__notes__ == [
        "While building the decoder 'FCNDecoder' with channels=[4, 4]"
    ]


def test_an_error_inside_a_part_surfaces_unchanged():
    def broken_backbone():
        raise KeyError("inside")

    TERRATORCH_BACKBONE_REGISTRY.register_as(broken_backbone, "broken_backbone", overwrite=True)
    with pytest.raises(KeyError, match="'inside'"):
        build(**{**UNET, "backbone": "broken_backbone"})


class TwoSensors(nn.Module):
    """Maps of two modalities, a dictionary for each layer."""

    out_channels = (4,) * 4

    def __init__(self, declare=True):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 8, stride=8)
        if declare:
            self.features = tuple(
                Feature(4, FeatureKind.MAPS, 8, modality=name) for name in ("s1", "s2") * 2
            )

    def forward(self, x):
        return [{name: self.conv(image) for name, image in x.items()} for _ in range(2)]


TWO = {"s1": torch.rand(1, 1, 32, 32), "s2": torch.rand(1, 1, 32, 32)}
ONE_LAYER = {"task": "segmentation", "decoder": "FCNDecoder", "num_classes": 2}


class TestFeaturesByModality:
    def test_are_merged_by_default(self):
        model = build(**ONE_LAYER, backbone=TwoSensors()).eval()
        assert [type(neck) for neck in model.neck] == [MergeModalities]
        assert model(TWO).output.shape == (1, 2, 32, 32)

    def test_reach_no_decoder_unmerged(self):
        message = r"takes the features of one image, but .* s1, s2\. Add .*\n.*\n.*MergeModalities"
        with pytest.raises(ConfigurationError, match=message):
            build(**ONE_LAYER, backbone=TwoSensors(), necks=[])

    def test_must_be_declared(self):
        model = build(**ONE_LAYER, backbone=TwoSensors(declare=False))
        with pytest.raises(DataError, match=r"by modality \(s1, s2\).*MergeModalities"):
            model(TWO)

    def test_a_missing_modality_is_named(self):
        model = build(**ONE_LAYER, backbone=TwoSensors())
        with pytest.raises(DataError, match="declares features of s1, s2, but returns s1"):
            model({"s1": TWO["s1"]})

    def test_tokens_of_two_modalities_in_one_tensor_are_refused_with_the_cure(self):
        backbone = TinyTokens()
        token = Feature(8, FeatureKind.TOKENS, 8, prefix_tokens=1, modality=("s1", "s2"))
        backbone.features = (token,) * 6
        necks = [{"name": "ReshapeTokensToImage"}]
        with pytest.raises(ConfigurationError, match="Put the neck MergeModalities before it"):
            build(**{**FCN, "backbone": backbone, "necks": necks})

    def test_named_layers_are_a_list(self):
        class Named(TinyMaps):
            def forward(self, x):
                return dict(enumerate(super().forward(x)))

        assert build(**{**UNET, "backbone": Named()})(torch.rand(1, 3, 32, 32)).output.ndim == 4

    def test_other_features_than_declared_are_refused(self):
        class Short(TinyMaps):
            def forward(self, x):
                return super().forward(x)[1:]

        with pytest.raises(DataError, match="Short: returns 2 features, but declares 3"):
            build(**{**UNET, "backbone": Short()})(torch.rand(1, 3, 32, 32))
