"""The published sizes of Prithvi-EO: one row each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_TIME_AND_PLACE = {"coords_encoding": ("time", "location"), "coords_scale_learn": True}
_BASE = {"embed_dim": 768, "depth": 12, "num_heads": 12}
_LARGE = {"embed_dim": 1024, "depth": 24, "num_heads": 16}
_HUGE = {"embed_dim": 1280, "depth": 32, "num_heads": 16, "patch_size": (1, 14, 14)}


@dataclass(frozen=True)
class Variant:
    """One registered size.

    Attributes:
        encoder: Fields of `EncoderConfig` that differ from its defaults.
        decoder: Fields of `DecoderConfig` that differ from its defaults.
        summary: What it is, for listings.
    """

    encoder: dict[str, Any]
    summary: str
    decoder: dict[str, Any] = field(default_factory=dict)


VARIANTS: dict[str, Variant] = {
    "prithvi_eo_tiny": Variant(
        {"embed_dim": 256, "depth": 4, "num_heads": 4},
        "A small Prithvi without published weights, for tests and first steps.",
        {"decoder_embed_dim": 128, "decoder_depth": 4, "decoder_num_heads": 4},
    ),
    "prithvi_eo_v1_100": Variant(_BASE, "Prithvi-EO-1.0, 100 M parameters."),
    "prithvi_eo_v2_tiny_tl": Variant(
        {"embed_dim": 192, "depth": 12, "num_heads": 3, **_TIME_AND_PLACE},
        "Prithvi-EO-2.0, 5 M parameters, with time and location.",
    ),
    "prithvi_eo_v2_100_tl": Variant(
        {**_BASE, **_TIME_AND_PLACE}, "Prithvi-EO-2.0, 100 M parameters, with time and location."
    ),
    "prithvi_eo_v2_300": Variant(_LARGE, "Prithvi-EO-2.0, 300 M parameters."),
    "prithvi_eo_v2_300_tl": Variant(
        {**_LARGE, **_TIME_AND_PLACE}, "Prithvi-EO-2.0, 300 M parameters, with time and location."
    ),
    "prithvi_eo_v2_600": Variant(_HUGE, "Prithvi-EO-2.0, 600 M parameters."),
    "prithvi_eo_v2_600_tl": Variant(
        {**_HUGE, **_TIME_AND_PLACE}, "Prithvi-EO-2.0, 600 M parameters, with time and location."
    ),
}
