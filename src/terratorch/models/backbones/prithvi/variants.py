"""The published Prithvi-EO models: one row each, which is all that a further one needs.

A row gives `NAME` in `BACKBONE_REGISTRY` and `NAME_mae` in `FULL_MODEL_REGISTRY`, both with or
without the prefix `terratorch_`, with their signatures, cards and weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from terratorch.models.backbones.prithvi.config import DecoderConfig, EncoderConfig
from terratorch.models.family import Family, ModelCard, WeightFile

# Harmonized Landsat Sentinel-2, surface reflectance x 10,000.
PRITHVI_BANDS = ("BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2")


@dataclass(frozen=True)
class PrithviVariant:
    """One published model.

    Attributes:
        name: Its registered name as an encoder.
        summary: What it is, in one sentence.
        encoder: Sizes of the encoder.
        decoder: Sizes of the decoder of the masked autoencoder.
        weights: Its weight file, for encoder and masked autoencoder; None if unpublished.
    """

    name: str
    summary: str
    encoder: EncoderConfig
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    weights: WeightFile | None = None

    @property
    def card(self) -> ModelCard:
        """What is known of the model without building it."""
        features = self.encoder.features(range(self.encoder.depth))
        return ModelCard(self.name, self.summary, features, self.encoder.facts, self.weights)


def _with_coordinates(
    patch_size: tuple[int, int, int] = (1, 16, 16), *, embed_dim: int, depth: int, num_heads: int
) -> EncoderConfig:
    return EncoderConfig(
        patch_size=patch_size,
        embed_dim=embed_dim,
        depth=depth,
        num_heads=num_heads,
        coords_encoding=("time", "location"),
        coords_scale_learn=True,
    )


def _v2(size: str, revision: str | None = None) -> WeightFile:
    return WeightFile(
        repo=f"ibm-nasa-geospatial/Prithvi-EO-2.0-{size}",
        file=f"Prithvi_EO_V2_{size.replace('-', '_')}.pt",
        bands=PRITHVI_BANDS,
        mean=(1087.0, 1342.0, 1433.0, 2734.0, 1958.0, 1363.0),
        std=(2248.0, 2179.0, 2178.0, 1850.0, 1242.0, 1049.0),
        licence="Apache-2.0",
        paper="arXiv:2412.02732",
        revision=revision,
    )


VARIANTS = {
    variant.name: variant
    for variant in (
        PrithviVariant(
            "prithvi_eo_tiny",
            "A small Prithvi without published weights, for tests and first steps.",
            EncoderConfig(embed_dim=256, depth=4, num_heads=4),
            DecoderConfig(decoder_embed_dim=128, decoder_depth=4, decoder_num_heads=4),
        ),
        PrithviVariant(
            "prithvi_eo_v1_100",
            "Prithvi-EO-1.0, 100 M parameters.",
            EncoderConfig(embed_dim=768, depth=12, num_heads=12),
            weights=WeightFile(
                repo="ibm-nasa-geospatial/Prithvi-EO-1.0-100M",
                file="Prithvi_EO_V1_100M.pt",
                bands=PRITHVI_BANDS,
                mean=(775.0, 1081.0, 1229.0, 2497.0, 2204.0, 1611.0),
                std=(1282.0, 1270.0, 1399.0, 1368.0, 1292.0, 1155.0),
                licence="Apache-2.0",
                paper="arXiv:2310.18660",
            ),
        ),
        PrithviVariant(
            "prithvi_eo_v2_tiny_tl",
            "Prithvi-EO-2.0, 5 M parameters, with time and location.",
            _with_coordinates(embed_dim=192, depth=12, num_heads=3),
            weights=_v2("tiny-TL"),
        ),
        PrithviVariant(
            "prithvi_eo_v2_100_tl",
            "Prithvi-EO-2.0, 100 M parameters, with time and location.",
            _with_coordinates(embed_dim=768, depth=12, num_heads=12),
            weights=_v2("100M-TL"),
        ),
        PrithviVariant(
            "prithvi_eo_v2_300",
            "Prithvi-EO-2.0, 300 M parameters.",
            EncoderConfig(embed_dim=1024, depth=24, num_heads=16),
            weights=_v2("300M", "b2f2520ab889f42a25c5361ba18761fcb4ea44ad"),
        ),
        PrithviVariant(
            "prithvi_eo_v2_300_tl",
            "Prithvi-EO-2.0, 300 M parameters, with time and location.",
            _with_coordinates(embed_dim=1024, depth=24, num_heads=16),
            weights=_v2("300M-TL"),
        ),
        PrithviVariant(
            "prithvi_eo_v2_600",
            "Prithvi-EO-2.0, 600 M parameters.",
            EncoderConfig(patch_size=(1, 14, 14), embed_dim=1280, depth=32, num_heads=16),
            weights=_v2("600M", "87f15784813828dc37aa3197a143cd4689e4d080"),
        ),
        PrithviVariant(
            "prithvi_eo_v2_600_tl",
            "Prithvi-EO-2.0, 600 M parameters, with time and location.",
            _with_coordinates((1, 14, 14), embed_dim=1280, depth=32, num_heads=16),
            weights=_v2("600M-TL"),
        ),
    )
}

ENCODERS = Family(VARIANTS, "terratorch.models.backbones.prithvi.names:build_encoder", ["encoder"])
AUTOENCODERS = Family(
    VARIANTS,
    "terratorch.models.backbones.prithvi.names:build_mae",
    ["encoder", "decoder"],
    suffix="_mae",
)
