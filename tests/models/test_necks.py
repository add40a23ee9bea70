"""Necks: every registered one, and what is particular to each."""

from collections import OrderedDict

import pytest
import torch
from part_tester import FLAT, PYRAMID, TOKENS, Part, PartTester, half_types

from terratorch.contracts.features import Feature, FeatureKind, undeclared
from terratorch.errors import ConfigurationError, DataError
from terratorch.models.necks import (
    AggregateTokens,
    InterpolateToPyramidal,
    LearnedInterpolateToPyramidal,
    MergeModalities,
    PermuteDims,
    ReshapeTokensToImage,
    SelectIndices,
    build_neck_list,
)
from terratorch.models.necks.build import build_necks
from terratorch.models.necks.grid import grid_of
from terratorch.registry import NECK_REGISTRY, TERRATORCH_NECK_REGISTRY

# An image of 84 x 60 pixels with patches of 12: a grid of 7 x 5.
PARTS = {
    "SelectIndices": Part(PYRAMID, {"indices": [0, -1]}),
    "AggregateTokens": Part(TOKENS, {"indices": [1, 3]}, channel_axis=2),
    "PermuteDims": Part(FLAT, {"new_order": [0, 2, 3, 1]}),
    "InterpolateToPyramidal": Part(FLAT),
    "MaxpoolToPyramidal": Part(((2, 16, 19, 18),) * 4),
    "ReshapeTokensToImage": Part(TOKENS, channel_axis=2, keywords={"image_size": (84, 60)}),
    "AddBottleneckLayer": Part(PYRAMID),
    "LearnedInterpolateToPyramidal": Part(FLAT),
    "FeaturePyramidNetworkNeck": Part(PYRAMID, {"out_channel": 8}),
    "MergeModalities": Part(FLAT),
}
NAMES = list(TERRATORCH_NECK_REGISTRY)


@pytest.mark.parametrize("name", NAMES)
class TestEveryNeck(PartTester):
    def build(self, name, part):
        neck = NECK_REGISTRY.build(name, part.channels, **part.arguments)
        if name == "MergeModalities":
            neck.connect(tuple(Feature(16, FeatureKind.MAPS, modality=m) for m in ("a", "b") * 2))
        return neck

    def expected_channels(self, module, part):
        return module.process_channel_list(part.channels)

    def channel_axis(self, name):
        return 3 if name == "PermuteDims" else 1

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

    def test_leaves_its_arguments_alone(self, name):
        part = PARTS[name]
        channels, features = part.channels, part.features()
        given = list(features)
        neck = self.build(name, part)
        neck.process_channel_list(channels)
        neck(features, **part.keywords)
        assert channels == part.channels
        assert [id(one) for one in features] == [id(one) for one in given]


@pytest.mark.parametrize(
    ("patches", "image_size", "h", "grid"),
    [
        (24, (32, 48), None, (4, 6)),
        (24, None, 3, (3, 8)),
        (24, None, 5, None),
        (16, None, None, (4, 4)),
        (15, (50, 34), None, (5, 3)),  # borders that no patch covers
        (16, (7, 3), None, (4, 4)),  # an image that the backbone resized
        (23, (32, 48), None, None),
        (0, None, None, None),
    ],
)
def test_grid(patches, image_size, h, grid):
    assert grid_of(patches, image_size, h) == grid


def test_tokens_are_laid_out_row_by_row_and_time_becomes_channels():
    tokens = torch.arange(1 + 2 * 2 * 3).float()[None, :, None].expand(1, -1, 2)
    (maps,) = ReshapeTokensToImage([2], effective_time_dim=2)([tokens], image_size=(4, 6))
    assert maps.shape == (1, 4, 2, 3)
    assert maps[0, 0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert maps[0, 2].tolist() == [[7, 8, 9], [10, 11, 12]]


def test_several_prefix_tokens_are_left_out():
    neck = ReshapeTokensToImage([4], remove_cls_token=5)
    (maps,) = neck([torch.rand(1, 5 + 6, 4)], image_size=(4, 6))
    assert maps.shape == (1, 4, 2, 3)


def test_tokens_that_make_no_grid_say_so():
    with pytest.raises(
        DataError, match=r"23 tokens of an image of \(32, 48\) pixels do not make a grid"
    ):
        ReshapeTokensToImage([4])([torch.rand(1, 23, 4)], image_size=(32, 48))


def test_pooling_a_token_by_its_index():
    tokens = torch.rand(2, 5, 4)
    assert torch.equal(AggregateTokens([4], pooling=2)([tokens])[0], tokens[:, 2])


def test_index_zero_selects_the_first_feature():
    features = [torch.zeros(1, 3, 4), torch.ones(1, 3, 4)]
    assert AggregateTokens([4, 4], indices=0)(features)[0].sum() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pooling": "sum"}, "AggregateTokens.pooling: is 'sum'"),
        ({"pooling": "cls", "drop_cls": True}, "pooling: cls takes one token alone"),
        ({"pooling": 1, "drop_cls": True}, "pooling: 1 takes one token alone"),
        ({"indices": [0], "index": 1}, r"index: is 1, but indices is \[0\]\. Give indices"),
        ({"indices": []}, "AggregateTokens.indices: is empty"),
        ({"indices": 4}, r"has 4, but there are 2 features \(0 to 1\)"),
    ],
)
def test_aggregate_refuses(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        AggregateTokens([4, 4], **arguments)


def test_one_token_of_a_map_is_refused():
    with pytest.raises(DataError, match="Choose pooling: mean, max or min"):
        AggregateTokens([4], pooling="cls")([torch.rand(1, 4, 3, 3)])


def test_learned_pyramid_needs_four_features():
    with pytest.raises(ConfigurationError, match="takes four features, but gets 3"):
        LearnedInterpolateToPyramidal([8, 8, 8])


def test_fpn_gives_a_named_dictionary():
    neck = NECK_REGISTRY.build("FeaturePyramidNetworkNeck", [4, 8], out_channel=4)
    outputs = neck([torch.rand(1, 4, 8, 8), torch.rand(1, 8, 4, 4)])
    assert isinstance(outputs, OrderedDict)
    assert list(outputs) == ["feat0", "feat1"]


class TestWhatTheyDeclare:
    tokens = (Feature(16, FeatureKind.TOKENS, 16, prefix_tokens=1),) * 4
    maps = (Feature(16, FeatureKind.MAPS, 16),) * 4
    series = (Feature(16, FeatureKind.TOKENS, 16, prefix_tokens=1, frames=3),)

    def test_tokens_become_maps_with_all_time_steps(self):
        neck = ReshapeTokensToImage([16], effective_time_dim=3)
        assert neck.connect(self.series) == (Feature(48, FeatureKind.MAPS, 16),)

    def test_forgotten_time_steps_are_refused(self):
        with pytest.raises(ConfigurationError, match="Set effective_time_dim: 3"):
            ReshapeTokensToImage([16]).connect(self.series)

    def test_prefix_tokens_are_those_that_the_backbone_declares(self):
        registers = (Feature(4, FeatureKind.TOKENS, 2, prefix_tokens=5),)
        neck = ReshapeTokensToImage([4])
        neck.connect(registers)
        (maps,) = neck([torch.rand(1, 5 + 6, 4)], image_size=(4, 6))
        assert maps.shape == (1, 4, 2, 3)
        with pytest.raises(ConfigurationError, match="remove_cls_token: is 1, but 5 prefix"):
            ReshapeTokensToImage([4], remove_cls_token=1).connect(registers)

    def test_a_declared_grid_is_not_guessed(self):
        neck = ReshapeTokensToImage([4])
        neck.connect((Feature(4, FeatureKind.TOKENS, grid=(2, 8)),))
        (maps,) = neck([torch.rand(1, 16, 4)], image_size=(4, 4))
        assert maps.shape == (1, 4, 2, 8)
        with pytest.raises(DataError, match="17 tokens of an image"):
            neck([torch.rand(1, 17, 4)], image_size=(4, 4))

    def test_strides_of_a_pyramid(self):
        levels = LearnedInterpolateToPyramidal([16] * 4).connect(self.maps)
        assert [level.stride for level in levels] == [4, 8, 16, 32]
        assert [level.channels for level in levels] == [4, 8, 16, 16]

    def test_strides_that_are_not_whole_numbers_are_unknown(self):
        levels = InterpolateToPyramidal([16] * 4, 3).connect(self.maps)
        assert {level.stride for level in levels} == {None}

    def test_selection_keeps_the_layout(self):
        assert SelectIndices([16] * 4, [0, 3]).connect(self.tokens) == self.tokens[:2]

    def test_channels_last_become_maps(self):
        features = (Feature(8, FeatureKind.MAPS_CHANNELS_LAST),)
        assert PermuteDims([8], [0, 3, 1, 2]).connect(features)[0].kind is FeatureKind.MAPS

    @pytest.mark.parametrize("name", ["InterpolateToPyramidal", "AddBottleneckLayer"])
    def test_a_pyramid_of_tokens_is_refused_with_the_neck_to_add(self, name):
        with pytest.raises(ConfigurationError, match=r"necks\[0\].*ReshapeTokensToImage before it"):
            build_necks([{"name": name}], self.tokens, "vit")


class TestMergeModalities:
    apart = tuple(Feature(2, FeatureKind.MAPS, 8, modality=m) for m in ("s1", "s2", "s1", "s2"))
    joined = (Feature(2, FeatureKind.TOKENS, 8, prefix_tokens=1, modality=("s1", "s2")),)

    @pytest.mark.parametrize(
        ("method", "expected"), [("mean", [2.0]), ("max", [3.0]), ("concat", [1.0, 3.0])]
    )
    def test_features_by_modality(self, method, expected):
        neck = MergeModalities([2] * 4, method)
        merged = neck.connect(self.apart)
        assert merged == (Feature(2 * len(expected), FeatureKind.MAPS, 8),) * 2
        features = neck([torch.full((1, 2, 4, 4), value) for value in (1.0, 0.0, 3.0, 0.0)])
        assert features[0].shape == (1, 2 * len(expected), 4, 4)
        features = neck([torch.full((1, 2, 4, 4), value) for value in (1.0, 3.0, 0.0, 0.0)])
        assert features[0][0, ::2, 0, 0].tolist() == expected
        assert neck.process_channel_list([2] * 4) == [f.channels for f in merged]

    @pytest.mark.parametrize(("method", "channels"), [("mean", 2), ("concat", 4)])
    def test_tokens_one_after_the_other(self, method, channels):
        neck = MergeModalities([2], method)
        merged = neck.connect(self.joined)
        assert merged == (Feature(channels, FeatureKind.TOKENS, 8, prefix_tokens=1),)
        tokens = torch.tensor([9.0, 1, 2, 3, 5, 6, 7])[None, :, None].expand(1, 7, 2)
        (features,) = neck([tokens])
        assert features.shape == (1, 4, channels)
        first = [9.0, 3, 4, 5] if method == "mean" else [9.0, 1, 2, 3]
        assert features[0, :, 0].tolist() == first
        with pytest.raises(DataError, match=r"cannot split 5 tokens evenly among \('s1', 's2'\)"):
            neck([torch.rand(1, 6, 2)])

    @pytest.mark.parametrize(
        ("features", "method", "message"),
        [
            (undeclared([2, 2]), "mean", "gets features that declare no modality"),
            (apart[:3], "mean", "different numbers of features"),
            ((apart[0], Feature(2, FeatureKind.MAPS, 4, modality="s2")), "mean", "stride 4"),
            ((apart[0], Feature(3, FeatureKind.MAPS, 8, modality="s2")), "max", "method: concat"),
            (apart, "sum", "MergeModalities.method: is 'sum'. Choose mean, max, concat"),
        ],
    )
    def test_refuses(self, features, method, message):
        with pytest.raises(ConfigurationError, match=message):
            MergeModalities([2] * len(features), method).connect(features)


def test_a_list_is_built_in_order():
    ops = [
        {"name": "SelectIndices", "indices": [0, 1, 2, 3]},
        {"name": "ReshapeTokensToImage"},
        {"name": "LearnedInterpolateToPyramidal"},
    ]
    necks, channels = build_neck_list(ops, [16] * 6)
    assert [type(neck).__name__ for neck in necks] == [op["name"] for op in ops]
    assert channels == [4, 8, 16, 16]
    assert [op["name"] for op in ops] == [type(neck).__name__ for neck in necks]


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ({"indices": [1]}, r"necks\[0\]\.name: is missing"),
        ({"name": "SelectIndex"}, "Did you mean 'SelectIndices'"),
        (
            {"name": "SelectIndices", "indices": [12]},
            r"necks\[0\]\.indices has 12, but `vit` gives 4 features \(0 to 3\)",
        ),
        (
            {"name": "ReshapeTokensToImage", "remove_cls": True},
            r"necks\[0\] \(ReshapeTokensToImage\): 'remove_cls'.*Did you mean 'remove_cls_token'",
        ),
        ({"name": "SelectIndices"}, r"necks\[0\] \(SelectIndices\): 'indices': is missing"),
    ],
)
def test_mistakes_name_their_place(op, message):
    with pytest.raises((ConfigurationError, KeyError), match=message):
        build_necks([op], undeclared([16] * 4), "vit")


def test_a_neck_of_ones_own_need_not_inherit():
    class Double(torch.nn.Module):
        def __init__(self, channel_list, factor=2):
            super().__init__()
            self.factor = factor

        def process_channel_list(self, channel_list):
            return [self.factor * channels for channels in channel_list]

        def forward(self, features, **kwargs):
            return [torch.cat([feature] * self.factor, 1) for feature in features]

    TERRATORCH_NECK_REGISTRY.register_as(Double, "TestDouble", overwrite=True)
    necks, features = build_necks([{"name": "TestDouble", "factor": 3}], undeclared([4]), "vit")
    assert features == (Feature(12, FeatureKind.UNKNOWN),)
    assert necks[0]([torch.rand(1, 4, 2, 2)])[0].shape[1] == 12
