"""Build the parts of a model so that each fits the one before it."""

from __future__ import annotations

import logging
from typing import Any

from torch import nn

from terratorch.errors import ConfigurationError
from terratorch.models.arguments import ArgumentCheck, constructor_of, named_arguments
from terratorch.models.config import Arguments, ModelConfig, PartConfig
from terratorch.models.decoders.base import needs_of
from terratorch.models.decoders.sources import needs_of_source
from terratorch.models.encoder_decoder_model import Parts
from terratorch.models.features import FeatureSpec, Needs, feature_spec_of
from terratorch.models.necks.build import build_necks
from terratorch.models.task_heads import TaskHead
from terratorch.models.wiring import check_joint, necks_yaml, standard_necks
from terratorch.registry import BACKBONE_REGISTRY, DECODER_REGISTRY, MultiSourceRegistry

log = logging.getLogger(__name__)


def build_parts(config: ModelConfig, wanted: TaskHead) -> Parts:
    """Build backbone, necks, decoders and heads.

    Args:
        config: What to build.
        wanted: The row of the task.

    Raises:
        ConfigurationError: If an argument is unknown or missing, or two parts do not fit.
    """
    decoder = config.decoder
    if decoder is None:
        raise ConfigurationError(
            "model_args.decoder", "is missing", "Name one; terratorch list decoders shows them."
        )
    _check_arguments(config, decoder, wanted)
    encoder = _build(BACKBONE_REGISTRY, config.backbone)
    spec = _declared(encoder, config.backbone.label)
    needs = _needs(decoder)
    ops = config.necks
    if ops is None:
        ops = standard_necks(spec, needs)
        if ops:
            log.info(
                "No necks are given: using those that %s needs.\n%s", decoder.label, necks_yaml(ops)
            )
    necks, spec = build_necks(ops, spec, config.backbone.label)
    _stop_early(encoder, necks)
    origin = f"necks[{len(necks) - 1}]" if necks else f"backbone '{config.backbone.label}'"
    check_joint(spec, needs, decoder.label, origin)
    main = _decoder_and_head(decoder, config.head, config.size, spec, wanted)
    aux = {}
    for one in config.aux:
        check_joint(spec, _needs(one.decoder), one.decoder.label, origin)
        aux[one.name] = _decoder_and_head(one.decoder, one.head, config.size, spec, wanted)
    return Parts(encoder, necks, *main, aux)


def known_arguments(
    backbone: str | nn.Module, decoder: str | nn.Module | None, head: type[nn.Module]
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


def _check_arguments(config: ModelConfig, decoder: PartConfig, wanted: TaskHead) -> None:
    """Compare all arguments with the signatures of what takes them, before anything is built."""
    check = ArgumentCheck("model_args")
    check.compare("backbone_", *_signature(BACKBONE_REGISTRY, config.backbone), first=0)
    heads = [("", decoder, config.head)]
    heads += [
        (f"aux_decoders[{position}].decoder_args.", aux.decoder, aux.head)
        for position, aux in enumerate(config.aux)
    ]
    for path, part, head in heads:
        supplied = [_head_argument(part)]
        channels = _takes_channels(part)
        check.compare(f"{path}decoder_", *_signature(DECODER_REGISTRY, part), supplied, channels)
        if not _brings_head(part):
            check.compare(f"{path}head_", head, wanted.head, [wanted.size_argument])
    check.report()


def _signature(registry: MultiSourceRegistry, part: PartConfig) -> tuple[Arguments, Any]:
    constructor = constructor_of(registry, part.choice) if isinstance(part.choice, str) else None
    return part.arguments, constructor


def _build(registry: MultiSourceRegistry, part: PartConfig, *channels: list[int]) -> nn.Module:
    if isinstance(part.choice, str):
        built: nn.Module = registry.build(part.choice, *channels, **part.arguments)
        return built
    if part.arguments:
        raise ConfigurationError(
            f"{registry.kind} {part.label}",
            f"is a module already, which cannot use {', '.join(part.arguments)}",
            "Leave the arguments out, or give the name of a registered class.",
        )
    return part.choice


def _declared(encoder: nn.Module, label: str) -> FeatureSpec:
    if not isinstance(getattr(encoder, "out_channels", None), (list, tuple)):
        raise ConfigurationError(
            f"backbone '{label}'",
            "has no list out_channels",
            "Set self.out_channels to the channels of each feature, such as [64].",
        )
    return feature_spec_of(encoder)


def _stop_early(encoder: nn.Module, necks: list[nn.Module]) -> None:
    """Tell the backbone the deepest feature that the first neck reads, if both can say so."""
    stop = getattr(encoder, "stop_after", None)
    indices = getattr(necks[0], "indices", None) if necks else None
    if callable(stop) and isinstance(indices, list):
        stop(max(indices))


def _needs(part: PartConfig) -> Needs:
    if not isinstance(part.choice, str):
        return needs_of(part.choice, part.arguments)
    constructor = constructor_of(DECODER_REGISTRY, part.choice)
    if constructor is None:
        return needs_of_source(*DECODER_REGISTRY.source_of(part.choice))
    return needs_of(constructor, part.arguments)


def _declaring(part: PartConfig) -> Any:
    """Return what declares the attributes of a decoder: its constructor, or the module itself."""
    if isinstance(part.choice, str):
        return constructor_of(DECODER_REGISTRY, part.choice)
    return part.choice


def _head_argument(part: PartConfig) -> str:
    argument: str = getattr(_declaring(part), "head_argument", "num_classes")
    return argument


def _takes_channels(part: PartConfig) -> bool:
    return bool(getattr(_declaring(part), "takes_channels", True))


def _brings_head(part: PartConfig) -> bool:
    """Say whether a decoder's output is the prediction.

    One that is told itself how many channels to give is followed by a head all the same: weights of
    such models have one.
    """
    declares = bool(getattr(_declaring(part), "includes_head", False))
    return declares and _head_argument(part) not in part.arguments


def _decoder(part: PartConfig, spec: FeatureSpec) -> nn.Module:
    channels = [list(spec.channels)] if _takes_channels(part) else []
    return _build(DECODER_REGISTRY, part, *channels)


def _decoder_and_head(
    part: PartConfig, head: Arguments, size: int | None, spec: FeatureSpec, wanted: TaskHead
) -> tuple[nn.Module, nn.Module | None]:
    size = head.get(wanted.size_argument, size)
    if size is None:
        raise ConfigurationError(
            f"model_args.{wanted.size_argument}", "is missing", "Say how many there are."
        )
    if _brings_head(part):
        if head:
            raise ConfigurationError(
                f"decoder '{part.label}'",
                f"includes its head, so that nothing uses head_{', head_'.join(head)}",
                "Leave these arguments out.",
            )
        sized = {_head_argument(part): size} if isinstance(part.choice, str) else {}
        whole = PartConfig(part.choice, {**part.arguments, **sized})
        return _decoder(whole, spec), None
    decoder = _decoder(part, spec)
    channels = getattr(decoder, "out_channels", None)
    if not isinstance(channels, int):
        raise ConfigurationError(
            f"decoder '{part.label}'",
            "has no number out_channels",
            "Set self.out_channels, or includes_head = True if its output is the prediction.",
        )
    return decoder, wanted.head(channels, **{**head, wanted.size_argument: size})
