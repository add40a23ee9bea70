"""Families: one row gives names, signatures, cards and weights."""

import inspect
from dataclasses import replace

import pytest

from terratorch.errors import ExistingNameError, UnknownNameError
from terratorch.models.backbones.prithvi.encoder import PrithviViT
from terratorch.models.backbones.prithvi.mae import PrithviMAE
from terratorch.models.backbones.prithvi.variants import ENCODERS, VARIANTS, PrithviVariant
from terratorch.models.family import card_of
from terratorch.models.weights import source
from terratorch.registry import (
    BACKBONE_REGISTRY,
    FULL_MODEL_REGISTRY,
    TERRATORCH_BACKBONE_REGISTRY,
)

NEW = "prithvi_eo_v3_nano_tl"


@pytest.fixture
def row(monkeypatch):
    """One more variant: a row at run time, and nothing else."""
    like = VARIANTS["prithvi_eo_v2_tiny_tl"]
    weights = replace(like.weights, repo="someone/nano", file="nano.pt")
    encoder = replace(like.encoder, embed_dim=32, depth=2, num_heads=2, img_size=32, patch_size=8)
    decoder = replace(like.decoder, decoder_embed_dim=16, decoder_depth=1, decoder_num_heads=2)
    added = PrithviVariant(NEW, "A Prithvi of tomorrow.", encoder, decoder, weights)
    monkeypatch.setitem(VARIANTS, NEW, added)
    return added


@pytest.mark.parametrize("prefix", ["", "terratorch_"])
def test_a_row_gives_backbone_and_autoencoder(row, prefix):
    assert f"{prefix}{NEW}" in BACKBONE_REGISTRY
    assert f"{prefix}{NEW}_mae" in FULL_MODEL_REGISTRY
    backbone = BACKBONE_REGISTRY.build(f"{prefix}{NEW}")
    autoencoder = FULL_MODEL_REGISTRY.build(f"{prefix}{NEW}_mae")
    assert isinstance(backbone, PrithviViT)
    assert isinstance(autoencoder, PrithviMAE)
    assert len(backbone.blocks) == 2
    assert len(autoencoder.decoder.decoder_blocks) == 1


def test_a_row_gives_the_signature(row):
    parameters = inspect.signature(BACKBONE_REGISTRY["terratorch"][NEW]).parameters
    assert (parameters["embed_dim"].default, parameters["pretrained"].default) == (32, False)
    assert "decoder_depth" not in parameters
    parameters = inspect.signature(FULL_MODEL_REGISTRY["terratorch"][f"{NEW}_mae"]).parameters
    assert parameters["decoder_depth"].default == 1


def test_a_row_gives_the_card(row):
    card = card_of(f"terratorch_{NEW}")
    assert (card.name, card.summary) == (NEW, "A Prithvi of tomorrow.")
    assert card.features == BACKBONE_REGISTRY.build(NEW).features
    assert card.facts == ("temporal_coords", "location_coords")
    assert card_of(f"{NEW}_mae").weights == card.weights == row.weights


@pytest.mark.parametrize("name", [NEW, f"{NEW}_mae"])
def test_a_row_gives_the_weights(row, name, monkeypatch):
    class Downloaded(Exception):
        pass

    def hub_file(repo, file, revision):
        raise Downloaded(repo, file)

    monkeypatch.setattr(source, "hub_file", hub_file)
    registry = FULL_MODEL_REGISTRY if name.endswith("_mae") else BACKBONE_REGISTRY
    with pytest.raises(Downloaded, match=r"'someone/nano', 'nano\.pt'"):
        registry.build(name, pretrained=True)


def test_a_row_gives_the_documentation(row):
    definition = BACKBONE_REGISTRY.definition(NEW)
    assert definition.docstring.startswith("A Prithvi of tomorrow. Build the encoder.")
    assert definition.file.endswith("prithvi/names.py")
    assert definition.line > 1


def test_a_name_of_a_family_is_taken():
    def prithvi_eo_tiny(): ...

    with pytest.raises(ExistingNameError, match=r"registered already, at .*names\.py"):
        TERRATORCH_BACKBONE_REGISTRY.register(prithvi_eo_tiny)


def test_names_that_are_not_rows():
    with pytest.raises(UnknownNameError, match="Did you mean 'prithvi_eo_tiny'"):
        ENCODERS["prithvi_eo_tin"]
    assert card_of("resnet18") is None
    assert 3 not in ENCODERS


@pytest.mark.parametrize("name", VARIANTS)
def test_bands_of_weights_have_statistics(name):
    weights = card_of(name).weights
    assert weights is None or len(weights.bands) == len(weights.mean) == len(weights.std)
