"""The arguments of the command line as strings, before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from terratorch.errors import ConfigurationError

CONFIG_OPTIONS = ("-c", "--config")
SWITCHES = ("-h", "--help", "--version", "--debug")


@dataclass(frozen=True)
class Invocation:
    """The parts of a command line.

    Attributes:
        command: The sub-command, or None.
        arguments: Its arguments; a configuration before the sub-command comes first.
        help: Whether `--help` is before the sub-command.
        version: Whether `--version` is before the sub-command.
    """

    command: str | None
    arguments: list[str]
    help: bool
    version: bool


def split_arguments(argv: Sequence[str]) -> Invocation:
    """Find the sub-command, and move the options before it behind it.

    `--debug` is removed: it belongs to the whole command.
    """
    arguments = [argument for argument in argv if argument != "--debug"]
    start = 0
    while start < len(arguments) and arguments[start].startswith("-"):
        start += 2 if arguments[start] in CONFIG_OPTIONS else 1
    leading, rest = arguments[:start], arguments[start:]
    options = [argument for argument in leading if argument not in SWITCHES]
    wants_help = "-h" in leading or "--help" in leading
    if not rest:
        return Invocation(None, options, wants_help, "--version" in leading)
    moved = [*options, *(["--help"] if wants_help else [])]
    return Invocation(rest[0], [*moved, *rest[1:]], wants_help, "--version" in leading)


def option_values(arguments: Sequence[str], *names: str) -> list[str]:
    """Return the values of an option, in order: `--name value` and `--name=value`.

    Raises:
        ConfigurationError: If one has no value.
    """
    return list(_values(arguments, names))


def _values(arguments: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    for index, argument in enumerate(arguments):
        name, has_value, value = argument.partition("=")
        if name not in names:
            continue
        if has_value:
            yield value
        elif index + 1 < len(arguments) and not arguments[index + 1].startswith("--"):
            yield arguments[index + 1]
        else:
            raise ConfigurationError(f"option {name}", "has no value", f"Write: {name} VALUE")


def option_value(arguments: Sequence[str], *names: str) -> str | None:
    """Return the last value of an option, or None."""
    values = option_values(arguments, *names)
    return values[-1] if values else None


def wants_help(arguments: Sequence[str]) -> bool:
    """Return whether the arguments of a sub-command ask for its help."""
    return "-h" in arguments or "--help" in arguments
