"""Build a chain of necks from their configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from terratorch.contracts.features import FeatureSpec
from terratorch.errors import ConfigurationError
from terratorch.models.arguments import ArgumentCheck, constructor_of
from terratorch.models.necks.base import output_spec_of
from terratorch.registry import NECK_REGISTRY

_EXAMPLE = "Name each neck, such as - name: ReshapeTokensToImage"


def build_neck_list(
    ops: Sequence[Mapping[str, Any]], channel_list: list[int]
) -> tuple[list[nn.Module], list[int]]:
    """Build necks that follow one another.

    Args:
        ops: The `name` and the arguments of each neck.
        channel_list: Channels of each feature that the first will get.

    Returns:
        The necks, and the channels of each feature that the last gives.
    """
    necks, spec = build_necks(ops, FeatureSpec(tuple(channel_list)), "the backbone")
    return necks, list(spec.channels)


def build_necks(
    ops: Sequence[Mapping[str, Any]], spec: FeatureSpec, origin: str
) -> tuple[list[nn.Module], FeatureSpec]:
    """Build necks that follow one another, and check each against what it will get.

    Args:
        ops: The `name` and the arguments of each neck.
        spec: What the first will get.
        origin: What gives it, for error messages.

    Returns:
        The necks, and what the last gives.

    Raises:
        ConfigurationError: If a neck cannot work on what it gets; the message names its YAML path.
    """
    if not isinstance(ops, Sequence) or isinstance(ops, str):
        raise ConfigurationError("necks", f"is no list: {ops!r}", _EXAMPLE)
    necks: list[nn.Module] = []
    for position, op in enumerate(ops):
        path = f"necks[{position}]"
        neck = _build(op, spec, path, origin)
        with _at(path):
            spec = output_spec_of(neck, spec)
        necks.append(neck)
        origin = path
    return necks, spec


def _build(op: Mapping[str, Any], spec: FeatureSpec, path: str, origin: str) -> nn.Module:
    if not isinstance(op, Mapping) or not isinstance(op.get("name"), str):
        seen = "is missing" if isinstance(op, Mapping) else f"is missing in {op!r}"
        raise ConfigurationError(f"{path}.name", seen, _EXAMPLE)
    arguments = {key: value for key, value in op.items() if key != "name"}
    name = op["name"]
    check = ArgumentCheck(f"{path} ({name})")
    check.compare("", arguments, constructor_of(NECK_REGISTRY, name))
    check.report()
    _check_indices(arguments.get("indices"), spec, path, origin)
    with _at(path):
        neck: nn.Module = NECK_REGISTRY.build(name, list(spec.channels), **arguments)
    return neck


@contextmanager
def _at(path: str) -> Iterator[None]:
    """Put the path of a neck before the messages of its errors."""
    try:
        yield
    except ConfigurationError as error:
        raise type(error)(f"{path}: {error.thing}", error.seen, error.cure) from None


def _check_indices(indices: Any, spec: FeatureSpec, path: str, origin: str) -> None:
    count = len(spec)
    for index in indices if isinstance(indices, Sequence) else [indices]:
        if isinstance(index, int) and not -count <= index < count:
            raise ConfigurationError(
                f"{path}.indices has {index}, but `{origin}` gives {count} features "
                f"(0 to {count - 1})"
            )
