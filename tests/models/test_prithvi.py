import inspect
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hashed import fill_with_hashes, hashed
from terratorch.contracts.features import Feature, FeatureKind, Freezes, StopsEarly
from terratorch.errors import ArgumentNameError, ConfigurationError, DataError, InvalidModelError
from terratorch.models.backbones.positions import get_3d_sincos_pos_embed, resample_positions
from terratorch.models.backbones.prithvi.encoder import PrithviViT
from terratorch.models.backbones.prithvi.mae import PrithviMAE
from terratorch.models.backbones.prithvi.variants import VARIANTS
from terratorch.models.backbones.prithvi_vit import prithvi_eo_v2_tiny_tl
from terratorch.registry import BACKBONE_REGISTRY, FULL_MODEL_REGISTRY

GOLDEN = load_file(Path(__file__).parents[1] / "data" / "prithvi_golden.safetensors")
TINY = {"img_size": 32, "patch_size": [1, 8, 8], "embed_dim": 32, "depth": 2, "num_heads": 2}
TINY_MAE = {**TINY, "decoder_embed_dim": 16, "decoder_depth": 2, "decoder_num_heads": 2}


def tiny(name="prithvi_eo_v2_300", **kwargs):
    return BACKBONE_REGISTRY.build(name, **{**TINY, **kwargs}).eval()


@pytest.mark.parametrize(
    ("case", "name", "kwargs", "seed", "shape"),
    [
        (
            "prithvi_v1_out_indices",
            "prithvi_eo_v1_100",
            {"depth": 4, "out_indices": [0, 2, 3]},
            "s7",
            (2, 6, 32, 32),
        ),
        (
            "prithvi_v2_frames_and_size_changed",
            "prithvi_eo_v2_300",
            {"num_frames": 2},
            "s13",
            (2, 6, 3, 40, 24),
        ),
        (
            "prithvi_eo_v2_tiny_tl_f3_tl",
            "prithvi_eo_v2_tiny_tl",
            {"num_frames": 3},
            "s14",
            (2, 6, 3, 32, 32),
        ),
    ],
)
def test_features_are_those_of_the_published_model(case, name, kwargs, seed, shape):
    model = fill_with_hashes(tiny(name, **kwargs))
    coordinates = {
        key.split(".")[1]: value
        for key, value in GOLDEN.items()
        if key.startswith(f"{case}.") and "coords" in key
    }
    with torch.no_grad():
        features = model(hashed(seed, shape).float(), **coordinates)
    assert f"{case}.{len(features)}" not in GOLDEN
    for index, feature in enumerate(features):
        torch.testing.assert_close(
            feature.flatten()[::7], GOLDEN[f"{case}.{index}"], atol=2e-5, rtol=1e-5
        )


@pytest.mark.parametrize(
    ("case", "name", "frames", "seed", "shape", "torch_seed", "kwargs", "step"),
    [
        (
            "prithvi_mae_f3_ratio",
            "prithvi_eo_v1_100_mae",
            3,
            "s21",
            (2, 6, 3, 32, 32),
            8,
            {"mask_ratio": 0.5},
            9,
        ),
        ("prithvi_mae_resized", "prithvi_eo_v2_100_tl_mae", 1, "s24", (1, 6, 48, 40), 11, {}, 2),
    ],
)
def test_reconstructions_are_those_of_the_published_model(
    case, name, frames, seed, shape, torch_seed, kwargs, step
):
    model = fill_with_hashes(FULL_MODEL_REGISTRY.build(name, **TINY_MAE, num_frames=frames))
    torch.manual_seed(torch_seed)
    with torch.no_grad():
        losses, images, mask = model(hashed(seed, shape).float(), **kwargs)
    assert images.shape == shape
    close = {"atol": 2e-5, "rtol": 1e-5}
    torch.testing.assert_close(losses["loss"], GOLDEN[f"{case}.0.loss"], **close)
    torch.testing.assert_close(images.flatten()[::step][:256], GOLDEN[f"{case}.1"], **close)
    torch.testing.assert_close(mask.mean(-1), GOLDEN[f"{case}.2"], **close)


def test_patches_are_put_together_as_they_were_cut():
    model = FULL_MODEL_REGISTRY.build(
        "prithvi_eo_v1_100_mae", **{**TINY_MAE, "patch_size": [2, 8, 8]}, num_frames=2
    )
    images = torch.randn(2, 6, 4, 16, 24)
    patches = model.patchify(images)
    assert patches.shape == (2, 2 * 2 * 3, 2 * 8 * 8 * 6)
    assert torch.equal(model.unpatchify(patches, (2, 2, 3)), images)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_declares_what_it_gives(name):
    model = tiny(name, num_frames=2, out_indices=[0, -1])
    assert isinstance(model, PrithviViT)
    assert isinstance(model, StopsEarly)
    assert isinstance(model, Freezes)
    features = model(torch.zeros(1, 6, 2, 32, 32))
    token = Feature(32, FeatureKind.TOKENS, stride=8, prefix_tokens=1, frames=2)
    assert model.features == (token, token)
    assert [feature.shape for feature in features] == [(1, 1 + 2 * (32 // 8) ** 2, 32)] * 2
    assert model.out_channels == [64, 64]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_a_masked_autoencoder_too(name):
    model = FULL_MODEL_REGISTRY.build(f"{name}_mae", **TINY_MAE)
    assert isinstance(model, PrithviMAE)
    alone = FULL_MODEL_REGISTRY.build(f"{name}_mae", encoder_only=True, **TINY_MAE)
    assert isinstance(alone, PrithviViT)


def test_the_signature_shows_the_sizes_of_the_variant():
    assert BACKBONE_REGISTRY["terratorch"]["prithvi_eo_v2_tiny_tl"] is prithvi_eo_v2_tiny_tl
    parameters = inspect.signature(prithvi_eo_v2_tiny_tl).parameters
    assert list(parameters)[:3] == ["pretrained", "bands", "vit_adapter"]
    assert parameters["embed_dim"].default == 192
    assert parameters["num_frames"].default == 1


def test_layers_that_no_one_reads_are_neither_computed_nor_trained():
    model = tiny(depth=4)
    keys = list(model.state_dict())
    expected = model(torch.ones(1, 6, 32, 32))[:2]
    ran = []
    for layer, block in enumerate(model.blocks):
        block.register_forward_hook(lambda *_, layer=layer: ran.append(layer))
    model.stop_after(1)
    features = model(torch.ones(1, 6, 32, 32))
    assert ran == [0, 1]
    assert len(features) == len(model.features) == 2
    assert all(torch.equal(a, b) for a, b in zip(features, expected, strict=True))
    assert list(model.state_dict()) == keys
    sum(feature.sum() for feature in features).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_prompts_are_trained_in_a_frozen_encoder():
    model = tiny(vpt=True, vpt_n_tokens=3)
    assert model(torch.zeros(1, 6, 32, 32))[0].shape == (1, 17, 32)
    model.freeze()
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert trained == ["vpt_prompt_embeddings.0", "vpt_prompt_embeddings.1"]


def test_a_year_is_told_from_the_next_in_half_precision():
    model = fill_with_hashes(tiny("prithvi_eo_v2_300_tl"))
    image = torch.zeros(1, 6, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        encoded = [
            model.temporal_embed_enc(torch.tensor([[[year, 1.0]]])) for year in (2020.0, 2021.0)
        ]
        assert model(image, temporal_coords=torch.tensor([[[2020.0, 1.0]]]))[0].isfinite().all()
    assert encoded[0].dtype == torch.float32
    assert (encoded[0] - encoded[1]).abs().max() > 0.01


def test_the_order_of_coordinates_matters():
    model = fill_with_hashes(tiny("prithvi_eo_v2_300_tl"))
    image = torch.zeros(1, 6, 32, 32)
    with torch.no_grad():
        plain, there, elsewhere = (
            model(image, location_coords=coords)[0]
            for coords in (None, torch.tensor([[47.5, 8.2]]), torch.tensor([[8.2, 47.5]]))
        )
    assert not torch.equal(plain, there)
    assert not torch.equal(there, elsewhere)


def test_coordinates_that_a_model_does_not_encode_are_mentioned_once(caplog):
    model = tiny()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            model(torch.zeros(1, 6, 32, 32), location_coords=torch.zeros(1, 2))
    assert [record.getMessage() for record in caplog.records] == [
        "location_coords are in the data, but this backbone has no encoding of them: not used."
    ]


def test_maps_of_images_that_are_not_square():
    model = tiny(img_size=[32, 64], num_frames=2)
    features = model(torch.zeros(1, 6, 2, 32, 64))
    maps = model.prepare_features_for_image_model(features)
    assert maps[0].shape == (1, 64, 4, 8)
    assert torch.equal(maps[0][0, :32, 1, 2], features[0][0, 1 + 8 + 2])
    assert torch.equal(maps[0][0, 32:, 0, 0], features[0][0, 1 + 32])


def test_positions_of_the_same_grid_are_not_touched():
    table = get_3d_sincos_pos_embed(32, (1, 4, 4), add_cls_token=True)[None]
    assert resample_positions(table, (1, 4, 4), (1, 4, 4)) is table
    assert (table[0, 0] == 0).all()
    assert resample_positions(table, (1, 4, 4), (3, 2, 5)).shape == (1, 31, 32)


def test_drop_path_drops_whole_samples_in_training_only():
    from terratorch.models.backbones.vit import DropPath

    drop, x = DropPath(0.5), torch.ones(64, 3, 2)
    assert set(drop(x).flatten(1).mean(1).tolist()) == {0.0, 2.0}
    assert torch.equal(drop.eval()(x), x)


@pytest.mark.parametrize(
    ("kwargs", "kind", "message"),
    [
        (
            {"num_frame": 3},
            ArgumentNameError,
            "has no argument 'num_frame'. Did you mean 'num_frames'",
        ),
        ({"decoder_depth": 3}, ArgumentNameError, "has no argument 'decoder_depth'"),
        (
            {"vit_adapter": True},
            InvalidModelError,
            "vit_adapter=True: the adapter is not available",
        ),
        (
            {"out_indices": [1, 2]},
            ConfigurationError,
            "the backbone has 2 layers. Layers count from 0 to 1",
        ),
        ({"out_indices": [1, 0]}, ConfigurationError, "ascending order"),
        ({"embed_dim": 40}, ConfigurationError, "embed_dim: 40, with num_heads 2"),
        ({"patch_size": [8, 8, 8, 8]}, ConfigurationError, "Give one size, or 3 sizes"),
        ({"patch_size": 64}, ConfigurationError, "larger than the input of 1 frames of 32 x 32"),
        ({"coords_encoding": ["tim"]}, ConfigurationError, "Did you mean 'time'"),
        (
            {"bands": ["RED"], "in_chans": 2},
            ConfigurationError,
            "in_chans: 2, but there are 1 bands",
        ),
        ({"bands": [-1]}, ConfigurationError, r"bands\[0\]: -1 is not a position"),
    ],
)
def test_mistakes_in_the_arguments_are_explained(kwargs, kind, message):
    with pytest.raises(kind, match=message):
        tiny(**kwargs)


@pytest.mark.parametrize(
    ("shape", "kwargs", "message"),
    [
        ((1, 6, 32, 32), {"num_frames": 2}, r"expects \(B, C, 2, H, W\)"),
        ((6, 32, 32), {}, r"expects \(B, C, H, W\)"),
        ((1, 4, 32, 32), {}, "has 4 bands. The backbone was built for 6: BLUE, GREEN"),
    ],
)
def test_images_that_do_not_fit_are_explained(shape, kwargs, message):
    with pytest.raises(DataError, match=message):
        tiny(**kwargs)(torch.zeros(shape))


def test_coordinates_that_do_not_fit_are_explained():
    with pytest.raises(
        DataError, match=r"temporal_coords: has the shape \(1, 2, 2\). Expected \(1, 1, 2\)"
    ):
        tiny("prithvi_eo_v2_300_tl")(
            torch.zeros(1, 6, 32, 32), temporal_coords=torch.zeros(1, 2, 2)
        )


def test_a_rest_at_the_border_is_mentioned(caplog):
    with caplog.at_level(logging.WARNING):
        tiny()(torch.zeros(1, 6, 37, 32))
    assert "not a multiple of the patch (1, 8, 8)" in caplog.text


def test_bands_give_the_channels():
    assert tiny(bands=["red", (0, 2)]).patch_embed.proj.in_channels == 4
    assert tiny(in_chans=2).model_bands == (0, 1)
