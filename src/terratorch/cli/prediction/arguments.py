"""Arguments of `terratorch predict` that no parser takes as people write them."""

from __future__ import annotations

from collections.abc import Sequence

from terratorch.errors import ConfigurationError

_FURTHER = "--further_ckpt_paths"


def first_checkpoint_apart(arguments: Sequence[str]) -> list[str]:
    """Return arguments where `--ckpt_path A B C` reads `--ckpt_path A --further_ckpt_paths B C`.

    The option of Lightning, and the key in a configuration, hold one.

    Raises:
        ConfigurationError: If there are further ones in both places.
    """
    changed: list[str] = []
    for index, argument in enumerate(arguments):
        option, first = arguments[max(index - 2, 0)], arguments[max(index - 1, 0)]
        if option == "--ckpt_path" and not first.startswith("-") and not argument.startswith("-"):
            if _FURTHER in arguments:
                raise ConfigurationError(
                    _FURTHER, "given beside several values of --ckpt_path", "Give all in one place."
                )
            changed.append(_FURTHER)
        changed.append(argument)
    return changed


def bounds_in_one(arguments: Sequence[str]) -> list[str]:
    """Return arguments where `--area -9,38,-8,39` reads `--area=-9,38,-8,39`.

    A parser would take a value that begins with a minus for an option.
    """
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--area" and argument[:1] == "-" and "," in argument:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined
