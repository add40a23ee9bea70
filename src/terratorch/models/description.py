"""Describe a built model by the arguments of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from terratorch.bands import expand_bands
from terratorch.contracts.model_description import Bands, ModelDescription, WeightsOrigin
from terratorch.models.config import ModelConfig, PartConfig
from terratorch.models.encoder_decoder_model import Parts
from terratorch.models.family import card_of


def describe_parts(config: ModelConfig, parts: Parts, size_argument: str) -> ModelDescription:
    """Return the description of a model of encoder, necks, decoder and head.

    Args:
        config: Its configuration.
        parts: Its parts.
        size_argument: What `config.size` counts: `num_classes` or `num_outputs`.
    """
    size = config.head.get(size_argument, config.size)
    return replace(
        _of_backbone(config.backbone, parts.encoder, "backbone_"),
        decoder=None if config.decoder is None else config.decoder.label,
        necks=tuple(type(neck).__name__ for neck in parts.necks),
        aux_heads=tuple(parts.aux_heads),
        num_classes=size if size_argument == "num_classes" else None,
        num_outputs=size if size_argument == "num_outputs" else None,
    )


def describe_whole(part: PartConfig, model: nn.Module) -> ModelDescription:
    """Return the description of a whole model."""
    return replace(
        _of_backbone(part, model, "model_"),
        num_classes=_integer(part.arguments.get("num_classes")),
        num_outputs=_integer(part.arguments.get("num_outputs")),
    )


def _of_backbone(part: PartConfig, module: nn.Module, prefix: str) -> ModelDescription:
    arguments = part.arguments
    weights = _weights(part)
    bands = _bands(arguments.get("bands"), f"{prefix}bands")
    of_weights = getattr(module, "model_bands", None) if weights and bands is None else None
    return ModelDescription(
        backbone=part.label,
        bands=bands if of_weights is None else tuple(of_weights),
        bands_argument=None if bands is None else f"{prefix}bands",
        in_chans=_in_chans(arguments, bands, module),
        chip_size=_size(arguments.get("img_size")),
        weights=weights,
    )


def _bands(named: object, argument: str) -> Bands | Mapping[str, Bands] | None:
    if isinstance(named, Mapping):
        by_modality = {str(name): _bands(entry, argument) for name, entry in named.items()}
        return {name: entry for name, entry in by_modality.items() if isinstance(entry, tuple)}
    if not isinstance(named, Sequence) or isinstance(named, str):
        return None
    return expand_bands(named, thing=argument)


def _in_chans(arguments: Mapping[str, object], bands: object, module: nn.Module) -> int | None:
    if isinstance(bands, tuple):
        return len(bands)
    candidates = (arguments.get("bands"), arguments.get("in_chans"), getattr(module, "in_chans", 0))
    return next((count for entry in candidates if (count := _integer(entry))), None)


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _size(value: object) -> tuple[int, int] | None:
    if isinstance(value, int):
        return value, value
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        return int(value[0]), int(value[1])
    return None


def _weights(part: PartConfig) -> WeightsOrigin | None:
    file = part.arguments.get("ckpt_path")
    if file is not None:
        return WeightsOrigin(str(file))
    named = part.arguments.get("weights")  # of torchgeo
    if named is not None:
        return WeightsOrigin(str(named))
    if not part.arguments.get("pretrained"):
        return None
    card = card_of(part.label)
    if card is None or card.weights is None:
        return WeightsOrigin(part.label)
    row = card.weights
    return WeightsOrigin(f"{row.repo}: {row.file}", row.licence, row.paper)
