"""Constructor arguments as plain containers, so that checkpoints load without pickle."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from enum import Enum
from os import PathLike, fspath
from typing import Any

import numpy as np
from torch import Tensor, nn

PlainValues = dict[str, Any]

logger = logging.getLogger(__name__)


def holds_module(value: object) -> bool:
    """Return whether a value is a module, or a container that holds one at any depth."""
    if isinstance(value, Mapping):
        return any(holds_module(entry) for entry in value.values())
    if isinstance(value, list | tuple):
        return any(holds_module(entry) for entry in value)
    return isinstance(value, nn.Module)


def to_plain(value: object, name: str) -> object:
    """Return a value as plain containers, strings and numbers.

    A module, such as a model or a loss given as an object, becomes None.

    Args:
        value: The value of an argument.
        name: The name of the argument, for the log.
    """
    if isinstance(value, Enum):
        return to_plain(value.value, name)
    if value is None or isinstance(value, nn.Module):
        return None
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, np.generic | np.ndarray | Tensor):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return to_plain(asdict(value), name)
    if isinstance(value, Mapping):
        return {to_plain(key, name): to_plain(entry, name) for key, entry in value.items()}
    if isinstance(value, Sequence | set):
        return [to_plain(entry, name) for entry in value]
    if isinstance(value, PathLike):
        return fspath(value)
    logger.warning("%s: checkpoints cannot store a %s", name, type(value).__qualname__)
    return None
