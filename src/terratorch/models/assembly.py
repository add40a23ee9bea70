"""Build the parts of a model so that each fits the one before it."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from torch import nn

from terratorch.contracts.features import Features, StopsEarly, features_of
from terratorch.errors import ConfigurationError
from terratorch.models.arguments import ArgumentCheck, constructor_of, named_arguments
from terratorch.models.config import ModelConfig
from terratorch.models.decoder_part import DecoderPart, build_part
from terratorch.models.encoder_decoder_model import Parts
from terratorch.models.necks.build import NeckConfigs, build_necks
from terratorch.models.task_heads import TaskHead
from terratorch.models.temporal_wrapper import TemporalWrapper
from terratorch.models.wiring import necks_yaml, standard_necks
from terratorch.registry import BACKBONE_REGISTRY, DECODER_REGISTRY

log = logging.getLogger(__name__)


def build_parts(config: ModelConfig, task: TaskHead) -> Parts:
    """Build backbone, necks, decoders and heads.

    Args:
        config: What to build.
        task: The row of the task.

    Raises:
        ConfigurationError: If an argument is unknown or missing, or two parts do not fit.
    """
    main = _main_decoder(config, task)
    aux = {
        entry.name: DecoderPart(entry.decoder, entry.head, f"aux_decoders[{i}].decoder_args.")
        for i, entry in enumerate(config.aux)
    }
    _check_arguments(config, [*([main] if main else []), *aux.values()], task)
    label = config.backbone.label
    encoder = build_part(BACKBONE_REGISTRY, config.backbone)
    if config.temporal is not None:
        encoder = TemporalWrapper(encoder, **config.temporal)
    features = _declared(encoder, label)
    ops = config.necks if config.necks is not None else _default_necks(features, main)
    necks, features = build_necks(ops, features, label)
    _stop_early(encoder, necks)
    if main is None:
        return Parts(encoder, necks, nn.Identity(), None)
    origin = f"necks[{len(necks) - 1}]" if necks else f"backbone '{label}'"
    decoder, head = main.build(features, config.size, task, origin)
    aux_heads = {
        name: part.build(features, config.size, task, origin) for name, part in aux.items()
    }
    return Parts(encoder, necks, decoder, head, aux_heads)


def known_arguments(
    backbone: str | nn.Module, decoder: str | nn.Module | None, head: type[nn.Module] | None
) -> list[str]:
    """Return the arguments that the chosen parts name in their signatures, with their prefixes."""
    known = [f"head_{name}" for name in named_arguments(head)[1:]]
    if isinstance(backbone, str):
        constructor = constructor_of(BACKBONE_REGISTRY, backbone)
        known += [f"backbone_{name}" for name in named_arguments(constructor)]
    if isinstance(decoder, str):
        constructor = constructor_of(DECODER_REGISTRY, decoder)
        known += [f"decoder_{name}" for name in named_arguments(constructor)[1:]]
    return known


def _main_decoder(config: ModelConfig, task: TaskHead) -> DecoderPart | None:
    if task.head is None:
        if config.decoder is not None or config.head or config.aux:
            raise ConfigurationError(
                "model_args: decoder, head, aux_decoders",
                "are not used by this task, which returns the features of the backbone",
                "Remove them.",
            )
        return None
    if config.decoder is None:
        raise ConfigurationError(
            "model_args.decoder", "is missing", "List them with: terratorch list decoders"
        )
    return DecoderPart(config.decoder, config.head)


def _check_arguments(config: ModelConfig, decoders: Iterable[DecoderPart], task: TaskHead) -> None:
    """Compare all arguments with the signatures of the parts, before anything is built."""
    check = ArgumentCheck("model_args")
    backbone = config.backbone
    if isinstance(backbone.target, str):
        constructor = constructor_of(BACKBONE_REGISTRY, backbone.target)
        check.compare("backbone_", backbone.arguments, constructor, first=0)
    if config.temporal is not None:
        check.compare("backbone_temporal_", config.temporal, TemporalWrapper)
    for decoder in decoders:
        decoder.compare(check, task)
    check.report()


def _declared(encoder: nn.Module, label: str) -> Features:
    if isinstance(encoder, TemporalWrapper) and encoder.out_channels is None:
        raise ConfigurationError(
            "backbone_temporal_n_timestamps",
            "is missing, and temporal_pooling: concat needs it",
            "Give the number of time steps of the images.",
        )
    if not isinstance(getattr(encoder, "out_channels", None), (list, tuple)):
        raise ConfigurationError(
            f"backbone '{label}'",
            "has no list out_channels",
            "Set self.out_channels to the channels of each feature, such as [64].",
        )
    return features_of(encoder)


def _default_necks(features: Features, main: DecoderPart | None) -> NeckConfigs:
    if main is None:
        return []
    necks = standard_necks(features, main.needs)
    if necks:
        log.info(
            "No necks are given: using those that %s needs.\n%s",
            main.decoder.label,
            necks_yaml(necks),
        )
    return necks


def _stop_early(encoder: nn.Module, necks: list[nn.Module]) -> None:
    """Stop the backbone at the deepest feature that the first neck reads, if both support it."""
    indices = getattr(necks[0], "indices", None) if necks else None
    if isinstance(encoder, StopsEarly) and isinstance(indices, list):
        encoder.stop_after(max(indices))
