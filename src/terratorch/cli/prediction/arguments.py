"""Rewrite the arguments of `terratorch predict` that no parser accepts as people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from terratorch.errors import ConfigurationError
from terratorch.prediction.options import OPTIONS

_FURTHER = "--further_ckpt_paths"
_SIGNED = ("--area", "--location")
_NUMBER = re.compile(r"-[\d.]")


def split_checkpoints(arguments: Sequence[str]) -> list[str]:
    """Rewrite `--ckpt_path A B C` to `--ckpt_path A --further_ckpt_paths B C`.

    Lightning's option and the key in a configuration accept one path.

    Raises:
        ConfigurationError: If further paths are given in both places.
    """
    changed: list[str] = []
    for index, argument in enumerate(arguments):
        option, first = arguments[max(index - 2, 0)], arguments[max(index - 1, 0)]
        if option == "--ckpt_path" and not first.startswith("-") and not argument.startswith("-"):
            if _FURTHER in arguments:
                raise ConfigurationError(
                    _FURTHER, "set together with several values of --ckpt_path", "Use one of them."
                )
            changed.append(_FURTHER)
        changed.append(argument)
    return changed


def join_bounds(arguments: Sequence[str]) -> list[str]:
    """Rewrite `--area -9,38,-8,39` to `--area=-9,38,-8,39`, and `--location -9,38` likewise.

    A parser would take a value that begins with a minus for an option.
    """
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in _SIGNED and argument[:1] == "-" and "," in argument:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def option_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the options of a prediction and their values, without any other arguments."""
    names = {*OPTIONS, *(f"no_{option.name}" for option in OPTIONS.values() if option.is_switch)}
    kept: list[str] = []
    is_ours = False
    for argument in arguments:
        if argument.startswith("-") and not _NUMBER.match(argument):
            is_ours = argument.removeprefix("--").partition("=")[0] in names
        if is_ours:
            kept.append(argument)
    return kept
