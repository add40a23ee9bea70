"""The registered Prithvi-EO backbones and masked autoencoders, built from the table of variants."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from inspect import Parameter, Signature, signature
from typing import Any, TypeAlias, cast

from terratorch.bands import expand_bands
from terratorch.errors import ArgumentNameError, ConfigurationError, InvalidModelError, did_you_mean
from terratorch.models.backbones.prithvi_config import DecoderConfig, EncoderConfig
from terratorch.models.backbones.prithvi_mae import PrithviMAE, PrithviViT
from terratorch.models.backbones.prithvi_variants import VARIANTS
from terratorch.models.backbones.prithvi_weights import load_prithvi
from terratorch.models.weights import weights_file
from terratorch.models.weights_table import PRITHVI_BANDS
from terratorch.registry import TERRATORCH_BACKBONE_REGISTRY, TERRATORCH_FULL_MODEL_REGISTRY

PathLike: TypeAlias = str | os.PathLike[str]


def build_encoder(
    name: str,
    pretrained: bool = False,
    bands: Sequence[object] | None = None,
    vit_adapter: bool = False,
    *,
    out_indices: Sequence[int] | None = None,
    ckpt_path: PathLike | None = None,
    pretrained_bands: Sequence[object] | None = None,
    in_chans: int | None = None,
    **sizes: Any,
) -> PrithviViT:
    """Build the encoder of a variant.

    Args:
        name: A name of the table of variants.
        pretrained: Whether to start from the published weights.
        bands: The bands of the input, in order: names, positions or intervals; by default the six
            of the published weights. Weights are copied by name, others start at random.
        vit_adapter: A pyramid of maps beside the tokens; not available yet.
        out_indices: Layers whose features are returned; by default all.
        ckpt_path: A weight file to start from instead of the published one.
        pretrained_bands: The bands that `ckpt_path` was trained on, by default the published six.
        in_chans: The number of bands, if their names do not matter.
        sizes: Fields of `EncoderConfig`, instead of those of the variant.

    Raises:
        ConfigurationError: If a value cannot be used.
        WeightsError: If the weights cannot be had or do not fit.
    """
    if vit_adapter:
        raise InvalidModelError(
            f"backbone '{name}' with vit_adapter=True",
            "the adapter is not available yet",
            "Leave vit_adapter out, and add the neck LearnedInterpolateToPyramidal for a pyramid.",
        )
    file = weights_file(name, pretrained, ckpt_path)
    config = EncoderConfig(**{**VARIANTS[name].encoder, **sizes})
    encoder = PrithviViT(config, _bands(bands, in_chans, has_weights=bool(file)), out_indices)
    if file is not None:
        load_prithvi(encoder, file, _bands(pretrained_bands))
    return encoder


def build_mae(
    name: str,
    pretrained: bool = False,
    bands: Sequence[object] | None = None,
    encoder_only: bool = False,
    *,
    ckpt_path: PathLike | None = None,
    pretrained_bands: Sequence[object] | None = None,
    in_chans: int | None = None,
    **sizes: Any,
) -> PrithviMAE | PrithviViT:
    """Build a variant as a masked autoencoder.

    Args:
        name: A name of the table of variants.
        pretrained: As for the encoder.
        bands: As for the encoder.
        encoder_only: Whether to build the encoder alone.
        ckpt_path: As for the encoder.
        pretrained_bands: As for the encoder.
        in_chans: As for the encoder.
        sizes: Fields of `EncoderConfig` and `DecoderConfig`, instead of those of the variant.

    Raises:
        ConfigurationError: If a value cannot be used.
        WeightsError: If the weights cannot be had or do not fit.
    """
    file = weights_file(name, pretrained, ckpt_path)
    config = EncoderConfig(**{**VARIANTS[name].encoder, **_of(EncoderConfig, sizes)})
    encoder = PrithviViT(config, _bands(bands, in_chans, has_weights=bool(file)))
    model: PrithviMAE | PrithviViT = encoder
    if not encoder_only:
        decoder = DecoderConfig(**{**VARIANTS[name].decoder, **_of(DecoderConfig, sizes)})
        model = PrithviMAE(encoder, decoder)
    if file is not None:
        load_prithvi(model, file, _bands(pretrained_bands))
    return model


def _of(config: type[EncoderConfig | DecoderConfig], sizes: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(config)}
    return {name: value for name, value in sizes.items() if name in names}


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
            "Name the bands of the input as bands, and leave in_chans out.",
        )
    return tuple(range(in_chans))


def _named(name: str, build: Callable[..., Any], registered: str) -> Callable[..., Any]:
    """Return the builder of one variant, with its sizes as defaults in its signature."""
    accepted = _signature(name, build)

    def builder(*args: Any, **kwargs: Any) -> Any:
        for key in kwargs:
            if key not in accepted.parameters:
                raise ArgumentNameError(
                    f"'{registered}'",
                    f"has no argument '{key}'",
                    did_you_mean(key, accepted.parameters)
                    or f"It takes: {', '.join(accepted.parameters)}.",
                )
        return build(name, *args, **kwargs)

    builder.__name__ = builder.__qualname__ = registered
    builder.__doc__ = f"{VARIANTS[name].summary} The arguments are those of `{build.__name__}`."
    cast(Any, builder).__signature__ = accepted
    return builder


def _signature(name: str, build: Callable[..., Any]) -> Signature:
    """Return the signature of a builder, with the sizes of a variant for name and `**sizes`."""
    own = list(signature(build).parameters.values())[1:-1]
    configs: tuple[tuple[Any, dict[str, Any]], ...] = ((EncoderConfig, VARIANTS[name].encoder),)
    if build is build_mae:
        configs = (*configs, (DecoderConfig, VARIANTS[name].decoder))
    sizes = [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=differing.get(field.name, field.default),
            annotation=field.type,
        )
        for config, differing in configs
        for field in fields(config)
    ]
    return Signature([*own, *sizes])


def _encoder(name: str) -> Callable[..., PrithviViT]:
    return TERRATORCH_BACKBONE_REGISTRY.register(_named(name, build_encoder, name))


def _mae(name: str) -> Callable[..., PrithviMAE | PrithviViT]:
    return TERRATORCH_FULL_MODEL_REGISTRY.register(_named(name, build_mae, f"{name}_mae"))


prithvi_eo_tiny = _encoder("prithvi_eo_tiny")
prithvi_eo_v1_100 = _encoder("prithvi_eo_v1_100")
prithvi_eo_v2_tiny_tl = _encoder("prithvi_eo_v2_tiny_tl")
prithvi_eo_v2_100_tl = _encoder("prithvi_eo_v2_100_tl")
prithvi_eo_v2_300 = _encoder("prithvi_eo_v2_300")
prithvi_eo_v2_300_tl = _encoder("prithvi_eo_v2_300_tl")
prithvi_eo_v2_600 = _encoder("prithvi_eo_v2_600")
prithvi_eo_v2_600_tl = _encoder("prithvi_eo_v2_600_tl")

prithvi_eo_v1_100_mae = _mae("prithvi_eo_v1_100")
prithvi_eo_v2_tiny_tl_mae = _mae("prithvi_eo_v2_tiny_tl")
prithvi_eo_v2_100_tl_mae = _mae("prithvi_eo_v2_100_tl")
prithvi_eo_v2_300_mae = _mae("prithvi_eo_v2_300")
prithvi_eo_v2_300_tl_mae = _mae("prithvi_eo_v2_300_tl")
prithvi_eo_v2_600_mae = _mae("prithvi_eo_v2_600")
prithvi_eo_v2_600_tl_mae = _mae("prithvi_eo_v2_600_tl")
