"""Compare arguments of the parts of a model with the signatures of their constructors."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from terratorch.errors import ArgumentNameError, ConfigurationError, closest
from terratorch.registry import MultiSourceRegistry
from terratorch.registry.registry import Constructor, ConstructorSource

Arguments = dict[str, Any]


def constructor_of(registry: MultiSourceRegistry, name: str) -> Constructor | None:
    """Return the constructor of a name; None if its source does not give it.

    Raises:
        UnknownNameError: If no source has the name.
    """
    prefix, own_name = registry.source_of(name)
    source = registry[prefix]
    return source[own_name] if isinstance(source, ConstructorSource) else None


def named_arguments(constructor: Constructor | None) -> list[str]:
    """Return the names in the signature of a constructor, empty if it is unknown."""
    if constructor is None:
        return []
    parameters = inspect.signature(constructor).parameters.values()
    return [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]


def accepted_names(function: Constructor) -> frozenset[str] | None:
    """Return the names of the arguments that a function takes; None if it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters)


class _UnknownArgument(NamedTuple):
    """An unknown argument, and those that are known in its place."""

    prefix: str
    name: str
    accepted: list[str]

    def hint(self) -> str:
        # Without the prefix, which all share and which would make all names look close.
        near = [f"'{self.prefix}{match}'" for match in closest(self.name, self.accepted)]
        return f"Did you mean {' or '.join(near)}?" if near else ""


class ArgumentCheck:
    """Collect unknown and missing arguments, to report all at once.

    Args:
        place: Where the arguments were written, for the message.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.unknown: list[_UnknownArgument] = []
        self.missing: dict[str, str] = {}

    def compare(
        self,
        prefix: str,
        arguments: Mapping[str, object],
        constructor: Constructor | None,
        supplied: Iterable[str] = (),
        first: int = 1,
    ) -> None:
        """Compare arguments with what a constructor takes.

        Args:
            prefix: The prefix of their names.
            arguments: The arguments, without the prefix.
            constructor: What takes them; None if unknown.
            supplied: Arguments that the caller adds.
            first: How many of the first parameters the caller supplies.
        """
        if constructor is None:
            return
        kinds = inspect.Parameter
        parameters = list(inspect.signature(constructor).parameters.values())[first:]
        named = [p for p in parameters if p.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)]
        if not any(p.kind is kinds.VAR_KEYWORD for p in parameters):
            accepted = [p.name for p in named]
            self.unknown += [
                _UnknownArgument(prefix, name, accepted)
                for name in arguments
                if name not in accepted
            ]
        required = (p.name for p in named if p.default is kinds.empty)
        owner = getattr(constructor, "__qualname__", repr(constructor)).rpartition("<locals>.")[2]
        for name in required:
            if name not in arguments and name not in supplied:
                self.missing[f"{prefix}{name}"] = owner

    def report(self) -> None:
        """Raise one error for all of them.

        Raises:
            ArgumentNameError: If nothing takes an argument.
            ConfigurationError: If one is missing.
        """
        if self.unknown:
            names = ", ".join(f"'{entry.prefix}{entry.name}'" for entry in self.unknown)
            hints = dict.fromkeys(filter(None, (entry.hint() for entry in self.unknown)))
            known = dict.fromkeys(f"{e.prefix}{n}" for e in self.unknown for n in e.accepted)
            cure = " ".join([*hints, f"Known: {', '.join(known)}."])
            raise ArgumentNameError(
                f"{self.place}: {names}", "nothing takes such an argument", cure if known else ""
            )
        if self.missing:
            owners = ", ".join(dict.fromkeys(self.missing.values()))
            names = ", ".join(f"'{name}'" for name in self.missing)
            raise ConfigurationError(f"{self.place}: {names}", f"is missing, and {owners} needs it")


def check_index(index: object, count: int, argument: str) -> int:
    """Return an index of a feature, counted from the front.

    Args:
        index: The index.
        count: How many features there are.
        argument: The argument that holds it, for the message.

    Raises:
        ConfigurationError: If it is out of range.
    """
    if not isinstance(index, int) or not -count <= index < count:
        raise ConfigurationError(
            argument,
            f"has {index!r}, but there are {count} features (0 to {count - 1})",
            f"Choose from 0 to {count - 1}, or count from the end with -1 to -{count}.",
        )
    return index % count


def check_indices(indices: object, count: int, argument: str) -> list[int]:
    """Return indices of features, counted from the front; a single index is accepted too.

    Args:
        indices: The indices.
        count: How many features there are.
        argument: The argument that holds them, for the message.

    Raises:
        ConfigurationError: If there are no indices, or one is out of range.
    """
    chosen = list(indices) if isinstance(indices, Sequence) else [indices]
    if not chosen:
        raise ConfigurationError(argument, "is empty", "Choose at least one feature.")
    return [check_index(index, count, argument) for index in chosen]
