"""Build a chain of necks from their configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from terratorch.errors import ConfigurationError
from terratorch.models.arguments import ArgumentCheck, constructor_of
from terratorch.models.features import FeatureSpec
from terratorch.models.necks.base import output_spec_of
from terratorch.registry import NECK_REGISTRY


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
    necks: list[nn.Module] = []
    for position, op in enumerate(ops):
        path = f"necks[{position}]"
        neck = _build(op, spec, path, origin)
        try:
            spec = output_spec_of(neck, spec)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error.thing}", error.seen, error.cure) from None
        necks.append(neck)
        origin = path
    return necks, spec


def _build(op: Mapping[str, Any], spec: FeatureSpec, path: str, origin: str) -> nn.Module:
    arguments = dict(op)
    name = arguments.pop("name", None)
    if not isinstance(name, str):
        raise ConfigurationError(
            f"{path}.name", "is missing", "Name the neck, such as - name: ReshapeTokensToImage"
        )
    check = ArgumentCheck(f"{path} ({name})")
    check.compare("", arguments, constructor_of(NECK_REGISTRY, name))
    check.report()
    _check_indices(arguments.get("indices"), spec, path, origin)
    neck: nn.Module = NECK_REGISTRY.build(name, list(spec.channels), **arguments)
    return neck


def _check_indices(indices: Any, spec: FeatureSpec, path: str, origin: str) -> None:
    count = len(spec)
    for index in [indices] if isinstance(indices, int) else indices or []:
        if not -count <= index < count:
            raise ConfigurationError(
                f"{path}.indices has {index}, but `{origin}` gives {count} features "
                f"(0 to {count - 1})"
            )
