import logging

import pytest
import timm
import torch

from terratorch.contracts.features import FeatureKind
from terratorch.errors import (
    ArgumentNameError,
    ConfigurationError,
    DataError,
    UnknownNameError,
    WeightsError,
)
from terratorch.models.backbones import timm_source
from terratorch.models.backbones.timm_weights import fit_bands, fit_names
from terratorch.registry import BACKBONE_REGISTRY, NameSource

NAME = "test_efficientnet"


@pytest.fixture
def whole():
    """A whole model with its head, of which files are made."""
    return timm.create_model(NAME, num_classes=5)


@pytest.fixture
def file(whole, tmp_path):
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    return tmp_path / "w.pth"


def build(name=NAME, **kwargs):
    return BACKBONE_REGISTRY.build(f"timm_{name}", **kwargs).eval()


@pytest.mark.parametrize(
    ("name", "kwargs", "kind"),
    [
        ("test_efficientnet", {}, FeatureKind.MAPS),
        ("test_resnet", {"in_chans": 5, "out_indices": [1, 3]}, FeatureKind.MAPS),
        ("test_vit", {"img_size": 64}, FeatureKind.MAPS),
        (
            "swin_tiny_patch4_window7_224",
            {
                "img_size": 64,
                "window_size": 2,
                "embed_dim": 8,
                "depths": (1, 1, 1, 1),
                "num_heads": (1, 1, 1, 1),
            },
            FeatureKind.MAPS_CHANNELS_LAST,
        ),
    ],
)
def test_features_are_as_declared_and_keys_those_of_timm(name, kwargs, kind):
    model = build(name, **kwargs)
    plain = timm.create_model(name, features_only=True, **kwargs)
    assert list(model.state_dict()) == list(plain.state_dict())
    features = model(torch.zeros(1, kwargs.get("in_chans", 3), 64, 64))
    assert len(features) == len(model.features) == len(model.out_channels)
    for feature, declared in zip(features, model.features, strict=True):
        assert declared.kind is kind
        size = declared.cells((64, 64))
        last = kind is FeatureKind.MAPS_CHANNELS_LAST
        maps = (declared.channels, *size)
        assert feature.shape[1:] == ((*size, declared.channels) if last else maps)


def test_names_are_those_of_timm():
    source = timm_source.TimmSource()
    assert isinstance(source, NameSource)
    assert NAME in source
    assert "resnet18.a1_in1k" in source
    assert "resnet_18" not in source
    assert NAME in list(source)
    assert len(source) == len(list(source)) > 500
    assert source.definition(NAME).module == "timm.models.efficientnet"
    with pytest.raises(UnknownNameError, match="Did you mean 'timm_test_efficientnet"):
        build("test_eficientnet")


def test_a_file_of_the_whole_model_is_read_without_its_head(whole, file):
    model = build(ckpt_path=file)
    weights = whole.state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, weights[key])
    assert set(weights) - set(model.state_dict()) >= {"conv_head.weight", "classifier.weight"}


def test_a_file_of_distributed_training_is_read(whole, tmp_path):
    state = {f"module.{key}": value for key, value in whole.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    model = build(ckpt_path=tmp_path / "w.pth")
    assert torch.equal(model.conv_stem.weight, whole.conv_stem.weight)


def test_filters_of_rgb_go_to_the_bands_of_that_name(whole, file, caplog):
    with caplog.at_level(logging.INFO):
        model = build(ckpt_path=file, bands=["B02", "GREEN", "red", "NIR_NARROW"])
    source, fitted = whole.conv_stem.weight, model.conv_stem.weight
    for place, filters in enumerate((source[:, 2], source[:, 1], source[:, 0], source.mean(1))):
        torch.testing.assert_close(fitted[:, place], filters * 0.75)
    assert "['BLUE', 'GREEN', 'RED'] take their filters by name" in caplog.text
    assert "['NIR_NARROW'] the mean of the three, all times 3/4" in caplog.text


def test_three_bands_in_another_order_are_not_taken_for_rgb(whole, file):
    model = build(ckpt_path=file, bands=["BLUE", "GREEN", "RED"])
    assert torch.equal(model.conv_stem.weight, whole.conv_stem.weight.flip(1))
    same = build(ckpt_path=file, bands=["RED", "GREEN", "BLUE"])
    assert torch.equal(same.conv_stem.weight, whole.conv_stem.weight)


def test_a_number_of_bands_repeats_the_filters_and_says_so(file, caplog):
    model = build(ckpt_path=file, in_chans=5)
    assert model.conv_stem.weight.shape[1] == 5
    assert "Name the bands (backbone_bands)" in caplog.text


def test_a_first_convolution_on_other_bands_is_taken_as_it_is():
    weight = torch.randn(4, 5, 3, 3)
    assert fit_bands(weight, 5, ["RED", "A", "B", "C", "D"], "file") is weight


def test_bands_give_the_channels():
    assert build(bands=["RED", (0, 2)]).conv_stem.in_channels == 4
    with pytest.raises(ConfigurationError, match="in_chans: 3, but there are 2 bands"):
        build(bands=["RED", "VV"], in_chans=3)


def test_position_tables_are_resized(tmp_path):
    whole = timm.create_model("test_vit", img_size=64)
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    model = build("test_vit", img_size=32, ckpt_path=tmp_path / "w.pth", bands=["BLUE", "RED"])
    assert model.model.pos_embed.shape[1] == 1 + 4
    torch.testing.assert_close(
        model.model.patch_embed.proj.weight, whole.patch_embed.proj.weight[:, [2, 0]] * 1.5
    )
    assert torch.equal(model.model.blocks[0].attn.qkv.weight, whole.blocks[0].attn.qkv.weight)


def test_stages_out_of_their_container_are_found():
    whole = {"layers.0.a": torch.zeros(1), "stem.b": torch.zeros(2), "head.c": torch.zeros(3)}
    assert list(fit_names(whole, ["layers_0.a", "model.stem.b", "x"])) == [
        "layers_0.a",
        "model.stem.b",
    ]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 4, 32, 32), "image: has 4 bands, but the backbone was built for 3. Name the bands"),
        ((1, 3, 2, 32, 32), "is a time series, .*Set backbone_use_temporal: true"),
    ],
)
def test_images_that_do_not_fit_are_explained(shape, message):
    with pytest.raises(DataError, match=message):
        build()(torch.rand(shape))


def test_an_unknown_tag_of_weights_is_an_error_that_lists_the_known_ones():
    with pytest.raises(
        WeightsError, match=r"timm names no weights .* Known are: resnet18\.a1_in1k"
    ):
        BACKBONE_REGISTRY.build("timm_resnet18.foo", pretrained=True)


def test_a_file_of_another_model_is_refused(tmp_path):
    other = timm.create_model("test_resnet")
    torch.save(other.state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        WeightsError, match=r"do not fit timm's test_efficientnet: .* missing .*unex"
    ):
        build(ckpt_path=tmp_path / "w.pth")


def test_a_file_of_another_width_is_refused(whole, tmp_path):
    state = {**whole.state_dict(), "conv_stem.weight": torch.zeros(32, 3, 3, 3)}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"do not fit EfficientNetFeatures: .*conv_stem\.weight"):
        build(ckpt_path=tmp_path / "w.pth")


def test_pretrained_weights_come_through_the_hub(whole, file, monkeypatch):
    asked = []
    monkeypatch.setattr(timm_source, "hub_file", lambda *where: asked.append(where) or file)
    model = build(pretrained=True)
    assert asked == [("timm/test_efficientnet.r160_in1k", "model.safetensors")]
    assert torch.equal(model.conv_stem.weight, whole.conv_stem.weight)


def test_pretrained_without_published_weights_says_so():
    with pytest.raises(
        WeightsError, match="timm_ghostnet_050' with pretrained=True: timm names no"
    ):
        build("ghostnet_050", pretrained=True)


@pytest.mark.parametrize(
    ("kwargs", "kind", "message"),
    [
        (
            {"in_channs": 4},
            ArgumentNameError,
            "does not take the argument 'in_channs'. Did you mean 'in_chans'",
        ),
        ({"stem_size": 8}, ArgumentNameError, "does not take the argument 'stem_size'"),
        ({"out_indices": [9]}, ConfigurationError, r"cannot give out_indices \[9\]"),
    ],
)
def test_mistakes_in_the_arguments_are_explained(kwargs, kind, message):
    with pytest.raises(kind, match=message):
        build(**kwargs)
