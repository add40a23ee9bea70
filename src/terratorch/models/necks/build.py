"""Build a chain of necks from their configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import nn

from terratorch.contracts.features import Features, channels_of, undeclared
from terratorch.errors import ConfigurationError
from terratorch.models.arguments import ArgumentCheck, constructor_of
from terratorch.models.necks.base import connect
from terratorch.registry import NECK_REGISTRY

NeckConfigs = Sequence[Mapping[str, object]]
_EXAMPLE = "Name each neck, such as - name: ReshapeTokensToImage"


def build_neck_list(ops: NeckConfigs, channel_list: list[int]) -> tuple[list[nn.Module], list[int]]:
    """Build necks that follow one another.

    Args:
        ops: The `name` and the arguments of each neck.
        channel_list: Channels of each feature that the first neck gets.

    Returns:
        The necks, and the channels of each feature that the last one returns.
    """
    necks, features = build_necks(ops, undeclared(channel_list), "the backbone")
    return necks, channels_of(features)


def build_necks(
    ops: NeckConfigs, features: Features, origin: str
) -> tuple[list[nn.Module], Features]:
    """Build necks that follow one another, and check each against its input.

    Args:
        ops: The `name` and the arguments of each neck.
        features: Input of the first neck.
        origin: What returns these features, for error messages.

    Returns:
        The necks, and the features that the last one returns.

    Raises:
        ConfigurationError: If a neck cannot work on its input; the message names its YAML path.
    """
    if not isinstance(ops, Sequence) or isinstance(ops, str):
        raise ConfigurationError("necks", f"must be a list, but is {ops!r}", _EXAMPLE)
    necks: list[nn.Module] = []
    for position, op in enumerate(ops):
        path = f"necks[{position}]"
        neck = _build(op, features, path, origin)
        with _at(path):
            features = connect(neck, features)
        necks.append(neck)
        origin = path
    return necks, features


def _build(op: Mapping[str, object], features: Features, path: str, origin: str) -> nn.Module:
    name = op.get("name") if isinstance(op, Mapping) else None
    if not isinstance(name, str):
        seen = "is missing" if isinstance(op, Mapping) else f"is missing in {op!r}"
        raise ConfigurationError(f"{path}.name", seen, _EXAMPLE)
    arguments = {key: value for key, value in op.items() if key != "name"}
    check = ArgumentCheck(f"{path} ({name})")
    check.compare("", arguments, constructor_of(NECK_REGISTRY, name))
    check.report()
    _check_indices(arguments.get("indices"), len(features), path, origin)
    with _at(path):
        neck: nn.Module = NECK_REGISTRY.build(name, channels_of(features), **arguments)
    return neck


@contextmanager
def _at(path: str) -> Iterator[None]:
    """Put the path of a neck before the messages of its errors."""
    try:
        yield
    except ConfigurationError as error:
        raise type(error)(f"{path}: {error.subject}", error.problem, error.advice) from None


def _check_indices(indices: object, count: int, path: str, origin: str) -> None:
    for index in indices if isinstance(indices, Sequence) else [indices]:
        if isinstance(index, int) and not -count <= index < count:
            raise ConfigurationError(
                f"{path}.indices has {index}, but `{origin}` gives {count} features "
                f"(0 to {count - 1})"
            )
