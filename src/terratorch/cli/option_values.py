"""Values of options, as they stand in the YAML or as text of the command line."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from terratorch.errors import ConfigurationError

NUMBERS: dict[Any, str] = {int: "a whole number", float: "a number"}


def text(name: str, given: Any) -> str:
    """Return a value that shall be text.

    Args:
        name: The option, for the message.
        given: What is given.

    Raises:
        ConfigurationError: If it is none.
    """
    if isinstance(given, str):
        return given
    cure = "Leave it out." if given is None else f"Put it in quotes: '{given}'."
    raise ConfigurationError(
        name,
        f"{given!r} is not text",
        "Give one value." if isinstance(given, list | dict) else cure,
    )


def number(name: str, given: Any, kind: Callable[[str], float]) -> float:
    """Return a number.

    Args:
        name: The option, for the message.
        given: What is given; text of a number will do.
        kind: One of `NUMBERS`.

    Raises:
        ConfigurationError: If it is none.
    """
    try:
        value = kind(str(given))  # of a number in the YAML too: 3.5 and true are no int
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigurationError(name, f"{given!r} is not {NUMBERS[kind]}", "Give one, such as 8.")
    return value


def switch(name: str, given: Any) -> bool:
    """Return whether a switch is on.

    Args:
        name: The option, for the message.
        given: What is given; text is refused, as "false" would be taken for true.

    Raises:
        ConfigurationError: If it is neither.
    """
    if isinstance(given, bool):
        return given
    raise ConfigurationError(
        name, f"{given!r} is not true or false", "Write one of these, without quotes."
    )


def scalar(given: Any) -> Any:
    """Return what text would be in the YAML: a number, true or false, or text."""
    from yaml import YAMLError, safe_load

    try:
        return safe_load(given) if isinstance(given, str) else given
    except YAMLError:
        return given


def area(name: str, given: Any) -> str:
    """Return a file of polygons, or four bounds, as text.

    Args:
        name: The option, for the message.
        given: What is given; the bounds may be a list.

    Raises:
        ConfigurationError: If it is neither.
    """
    if not isinstance(given, list):
        return text(name, given)
    if len(given) != 4 or any(type(bound) not in (int, float) for bound in given):
        raise ConfigurationError(
            name, f"{given!r} is not four numbers", "Write [WEST, SOUTH, EAST, NORTH]."
        )
    return ",".join(map(str, given))


def crs(name: str, given: Any) -> str:
    """Return what names a CRS; a number is an EPSG code.

    Args:
        name: The option, for the message.
        given: What is given.

    Raises:
        ConfigurationError: If it is neither text nor a whole number.
    """
    if type(given) is int or (isinstance(given, str) and given.isdecimal()):
        return f"EPSG:{given}"
    return text(name, given)
