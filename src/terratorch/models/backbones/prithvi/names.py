"""The builders of the registered names; `variants` has their rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeAlias

from terratorch.bands import expand_bands
from terratorch.errors import ConfigurationError, InvalidModelError
from terratorch.models.backbones.prithvi.config import DecoderConfig, EncoderConfig
from terratorch.models.backbones.prithvi.encoder import PrithviViT
from terratorch.models.backbones.prithvi.mae import PrithviMAE
from terratorch.models.backbones.prithvi.variants import PRITHVI_BANDS
from terratorch.models.backbones.prithvi.weights import load_prithvi
from terratorch.models.family import ModelCard
from terratorch.models.weights import weights_file

PathLike: TypeAlias = str | os.PathLike[str]


def build_encoder(
    card: ModelCard,
    config: EncoderConfig,
    pretrained: bool = False,
    bands: Sequence[object] | None = None,
    vit_adapter: bool = False,
    *,
    out_indices: Sequence[int] | None = None,
    ckpt_path: PathLike | None = None,
    pretrained_bands: Sequence[object] | None = None,
    in_chans: int | None = None,
) -> PrithviViT:
    """Build the encoder.

    Args:
        card: The card of the variant.
        config: Its sizes and options.
        pretrained: Whether to start from the published weights.
        bands: The bands of the input, in order: names, positions or intervals; by default the six
            of the published weights. Weights are copied by name, others start at random.
        vit_adapter: Whether to add a pyramid of maps to the tokens; not available yet.
        out_indices: Layers whose features are returned; by default all.
        ckpt_path: A weight file to start from instead of the published one.
        pretrained_bands: The bands that `ckpt_path` was trained on, by default the published six.
        in_chans: The number of bands, if their names do not matter.

    Raises:
        ConfigurationError: If a value cannot be used.
        WeightsError: If the weights cannot be downloaded, or do not fit.
    """
    if vit_adapter:
        raise InvalidModelError(
            f"backbone '{card.name}' with vit_adapter=True",
            "the adapter is not available yet",
            "Remove vit_adapter, and add the neck LearnedInterpolateToPyramidal for a pyramid.",
        )
    file = weights_file(card, pretrained, ckpt_path)
    encoder = PrithviViT(config, _bands(bands, in_chans, has_weights=bool(file)), out_indices)
    if file is not None:
        load_prithvi(encoder, file, _bands(pretrained_bands))
    return encoder


def build_mae(
    card: ModelCard,
    encoder: EncoderConfig,
    decoder: DecoderConfig,
    pretrained: bool = False,
    bands: Sequence[object] | None = None,
    encoder_only: bool = False,
    *,
    ckpt_path: PathLike | None = None,
    pretrained_bands: Sequence[object] | None = None,
    in_chans: int | None = None,
) -> PrithviMAE | PrithviViT:
    """Build the masked autoencoder.

    Args:
        card: The card of the variant.
        encoder: Sizes and options of the encoder.
        decoder: Sizes and options of the decoder.
        pretrained: As for the encoder.
        bands: As for the encoder.
        encoder_only: Whether to build the encoder alone.
        ckpt_path: As for the encoder.
        pretrained_bands: As for the encoder.
        in_chans: As for the encoder.

    Raises:
        ConfigurationError: If a value cannot be used.
        WeightsError: If the weights cannot be downloaded, or do not fit.
    """
    file = weights_file(card, pretrained, ckpt_path)
    vit = PrithviViT(encoder, _bands(bands, in_chans, has_weights=bool(file)))
    model = vit if encoder_only else PrithviMAE(vit, decoder)
    if file is not None:
        load_prithvi(model, file, _bands(pretrained_bands))
    return model


def _bands(
    bands: Sequence[object] | None, in_chans: int | None = None, has_weights: bool = False
) -> tuple[str | int, ...]:
    """Return the bands of the input, one entry a channel."""
    used = expand_bands(bands) if bands is not None else PRITHVI_BANDS
    if in_chans is None or in_chans == len(used):
        return used
    if bands is not None or has_weights:
        raise ConfigurationError(
            "in_chans",
            f"{in_chans}, but there are {len(used)} bands ({', '.join(map(str, used))})",
            "Name the bands of the input as bands, and remove in_chans.",
        )
    return tuple(range(in_chans))
