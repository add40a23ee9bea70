"""The arguments of `EncoderDecoderFactory.build_model` as one typed object.

People write `backbone_pretrained: true` or `backbone_kwargs: {pretrained: true}`; both become the
same here, and no other module sees a prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from terratorch.errors import ArgumentNameError, ConfigurationError, did_you_mean
from terratorch.models.arguments import Arguments
from terratorch.models.model import AuxiliaryHead

# Attributes of a dictionary of modules, which no head of a model can be named after.
_TAKEN = frozenset(dir(nn.ModuleDict()))
_PRETRAINED = ("pretrained", "backbone_pretrained", "model_pretrained")
_WEIGHT_PATHS = ("ckpt_path", "backbone_ckpt_path", "model_ckpt_path")


@dataclass(frozen=True)
class PartConfig:
    """A part by its name in the registry, or built already, and its arguments."""

    target: str | nn.Module
    arguments: Arguments = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name in error messages."""
        return self.target if isinstance(self.target, str) else type(self.target).__name__


@dataclass(frozen=True)
class AuxConfig:
    """An auxiliary decoder and its head."""

    name: str
    decoder: PartConfig
    head: Arguments


@dataclass(frozen=True)
class ModelConfig:
    """The configuration of all parts of a model.

    Attributes:
        backbone: The backbone.
        temporal: Arguments of the wrapper that runs it over time series; None for no wrapper.
        decoder: The decoder; None for none.
        head: Arguments of the head.
        necks: Name and arguments of each neck; None for those that the decoder needs.
        aux: The auxiliary decoders and their heads.
        size: Channels of the prediction; None for the default of the task.
    """

    backbone: PartConfig
    temporal: Arguments | None
    decoder: PartConfig | None
    head: Arguments
    necks: Sequence[Mapping[str, object]] | None = None
    aux: Sequence[AuxConfig] = ()
    size: int | None = None


def read_config(
    backbone: str | nn.Module,
    decoder: str | nn.Module | None,
    nested: Mapping[str, Mapping[str, object] | None],
    flat: Mapping[str, object],
    others: Iterable[str] = (),
) -> ModelConfig:
    """Bring the arguments of the parts, in either form, to one configuration.

    Args:
        backbone: The name of the backbone, or a module.
        decoder: The name of the decoder, or a module.
        nested: Arguments without prefix, by part.
        flat: Arguments with the prefix of their part.
        others: Names of the other arguments, to suggest for a misspelt one.

    Raises:
        ArgumentNameError: If an argument has no known prefix, or is given in both forms.
    """
    arguments = split_prefixes(flat, nested, "model_args", others)
    return ModelConfig(
        PartConfig(backbone, arguments["backbone"]),
        _take_temporal(arguments["backbone"]),
        None if decoder is None else PartConfig(decoder, arguments["decoder"]),
        arguments["head"],
    )


def _take_temporal(arguments: Arguments) -> Arguments | None:
    """Remove the arguments of the temporal wrapper from those of the backbone; None if unused."""
    if not arguments.pop("use_temporal", False):
        return None
    names = [name for name in arguments if name.startswith("temporal_")]
    return {name.removeprefix("temporal_"): arguments.pop(name) for name in names}


def split_prefixes(
    flat: Mapping[str, object],
    nested: Mapping[str, Mapping[str, object] | None],
    place: str,
    others: Iterable[str] = (),
) -> dict[str, Arguments]:
    """Bring the flat form, the nested form, or a mixture to arguments by part.

    Args:
        flat: Arguments with the prefix of their part.
        nested: Arguments without prefix, by part.
        place: Their YAML path, for error messages.
        others: Other accepted names, to suggest for a misspelt one.

    Raises:
        ArgumentNameError: If an argument has no known prefix, or is given in both forms.
    """
    parts = {part: dict(arguments or {}) for part, arguments in nested.items()}
    leftover: list[str] = []
    for key, value in flat.items():
        part, _, name = key.partition("_")
        if part not in parts or not name:
            leftover.append(key)
        elif name in parts[part]:
            raise ArgumentNameError(
                f"{place}.{key}",
                f"is given twice: also as {part}_kwargs.{name}",
                "Remove one of the two.",
            )
        else:
            parts[part][name] = value
    if leftover:
        raise _without_prefix(leftover, parts, place, list(others))
    return parts


def _without_prefix(
    leftover: Iterable[str], parts: Iterable[str], place: str, known: Sequence[str]
) -> ArgumentNameError:
    names = ", ".join(f"'{key}'" for key in leftover)
    hints = dict.fromkeys(_hint(key, known) for key in leftover)
    prefixes = ", ".join(f"{part}_" for part in parts)
    cure = " ".join([*filter(None, hints), f"Arguments of the parts begin with {prefixes}."])
    return ArgumentNameError(f"{place}: {names}", "nothing takes such an argument", cure)


def _hint(key: str, known: Sequence[str]) -> str:
    prefixed = [repr(name) for name in known if name.endswith(f"_{key}")]
    return f"Did you mean {' or '.join(prefixed)}?" if prefixed else did_you_mean(key, known)


def auxiliary_heads(
    values: Sequence[AuxiliaryHead | Mapping[str, object]] | None, place: str
) -> tuple[AuxiliaryHead, ...]:
    """Read auxiliary heads, which may be written as dictionaries.

    Args:
        values: The heads.
        place: Their YAML path, for error messages.

    Raises:
        ConfigurationError: If one lacks a name or a decoder, or its name cannot be used.
    """
    heads: list[AuxiliaryHead] = []
    for position, value in enumerate(values or ()):
        head = _auxiliary_head(value, f"{place}[{position}]")
        fault = _fault_of_name(head.name, [other.name for other in heads])
        if fault:
            raise ConfigurationError(
                f"{place}[{position}].name", f"is {head.name!r}, {fault}", "Choose another name."
            )
        heads.append(head)
    return tuple(heads)


def _auxiliary_head(value: AuxiliaryHead | Mapping[str, object], place: str) -> AuxiliaryHead:
    if isinstance(value, AuxiliaryHead):
        return value
    values: Arguments = dict(value) if isinstance(value, Mapping) else {}
    if not {"name", "decoder"} <= set(values) <= {"name", "decoder", "decoder_args"}:
        seen = f"has {', '.join(map(str, values))}" if values else f"is {value!r}"
        raise ConfigurationError(place, seen, "Give name, decoder and decoder_args.")
    return AuxiliaryHead(values["name"], values["decoder"], values.get("decoder_args"))


def _fault_of_name(name: object, before: Sequence[str]) -> str:
    """Return why a head cannot have a name: the model holds it as a module of that name."""
    if not isinstance(name, str) or not name:
        return "not a name"
    if name in before:
        return "the name of another head"
    if "." in name:
        return "with a dot in it"
    return "a name that the model itself uses" if name in _TAKEN else ""


def aux_configs(
    values: Sequence[AuxiliaryHead | Mapping[str, object]] | None,
) -> tuple[AuxConfig, ...]:
    """Return the configurations of auxiliary heads.

    Raises:
        ConfigurationError: If one has an argument without prefix, or cannot be read.
    """
    place = "aux_decoders"
    heads = auxiliary_heads(values, place)
    return tuple(_aux_config(aux, f"{place}[{position}]") for position, aux in enumerate(heads))


def _aux_config(aux: AuxiliaryHead, place: str) -> AuxConfig:
    nested: dict[str, Mapping[str, object] | None] = {"decoder": None, "head": None}
    arguments = split_prefixes(aux.decoder_args or {}, nested, f"{place}.decoder_args")
    return AuxConfig(aux.name, PartConfig(aux.decoder, arguments["decoder"]), arguments["head"])


def without_weights(model_args: Mapping[str, object]) -> Arguments:
    """Return the arguments of a factory, changed so that the model starts from no weight file."""
    arguments: Arguments = {}
    for name, value in model_args.items():
        if name in _WEIGHT_PATHS:
            continue
        if isinstance(value, Mapping) and name.endswith("_kwargs"):
            value = without_weights(value)
        arguments[name] = False if name in _PRETRAINED else value
    return arguments
