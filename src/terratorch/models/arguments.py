"""Arguments of the parts of a model, compared with what their constructors take."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from terratorch.errors import ArgumentNameError, ConfigurationError, DataError, closest
from terratorch.registry import MultiSourceRegistry
from terratorch.registry.registry import Constructor, ConstructorSource


def constructor_of(registry: MultiSourceRegistry, name: str) -> Constructor | None:
    """Return what a registry builds under a name, or None where its source does not tell.

    Raises:
        UnknownNameError: If no source has the name.
    """
    prefix, own_name = registry.source_of(name)
    source = registry[prefix]
    return source[own_name] if isinstance(source, ConstructorSource) else None


def named_arguments(constructor: Constructor | None) -> list[str]:
    """Return the names in the signature of a constructor, empty where it is not known."""
    if constructor is None:
        return []
    parameters = inspect.signature(constructor).parameters.values()
    return [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]


def accepted_names(function: Constructor) -> frozenset[str] | None:
    """Return the names of the arguments that a function takes, or None where it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters)


def refuse_unused(inputs: Iterable[str], accepted: frozenset[str] | None, owner: str) -> None:
    """Refuse entries of a batch that a module does not take.

    Args:
        inputs: Their names.
        accepted: What it takes, None for any.
        owner: The module, for the message.

    Raises:
        DataError: If there is one that nothing would use.
    """
    unused = [] if accepted is None else [name for name in inputs if name not in accepted]
    if unused:
        raise DataError(
            f"batch: {', '.join(unused)}",
            f"{owner} takes no such input",
            "Leave it out of the samples, or choose one that uses it.",
        )


class _Unknown(NamedTuple):
    """An argument that nothing takes, and those that are taken there."""

    prefix: str
    name: str
    accepted: list[str]

    def hint(self) -> str:
        # The prefix is alike in all: it would make them all look close.
        near = [f"'{self.prefix}{match}'" for match in closest(self.name, self.accepted)]
        return f"Did you mean {' or '.join(near)}?" if near else ""


class ArgumentCheck:
    """Collects the arguments that nothing takes, or that are missing, to report all at once.

    Args:
        place: Where the arguments were written, for the message.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.unknown: list[_Unknown] = []
        self.missing: dict[str, str] = {}

    def compare(
        self,
        prefix: str,
        given: Mapping[str, Any],
        constructor: Constructor | None,
        supplied: Iterable[str] = (),
        first: int = 1,
    ) -> None:
        """Compare arguments with what a constructor takes.

        Args:
            prefix: What the user writes before their names.
            given: The arguments, without it.
            constructor: What takes them; None where that is not known.
            supplied: Arguments that are given elsewhere.
            first: How many of the first parameters are not the user's to give.
        """
        if constructor is None:
            return
        kinds = inspect.Parameter
        parameters = list(inspect.signature(constructor).parameters.values())[first:]
        named = [p for p in parameters if p.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)]
        if not any(p.kind is kinds.VAR_KEYWORD for p in parameters):
            accepted = [p.name for p in named]
            self.unknown += [
                _Unknown(prefix, name, accepted) for name in given if name not in accepted
            ]
        required = (p.name for p in named if p.default is kinds.empty)
        owner = getattr(constructor, "__qualname__", repr(constructor)).rpartition("<locals>.")[2]
        for name in required:
            if name not in given and name not in supplied:
                self.missing[f"{prefix}{name}"] = owner

    def report(self) -> None:
        """Raise one error for all that was found.

        Raises:
            ArgumentNameError: If nothing takes an argument.
            ConfigurationError: If one is missing.
        """
        if self.unknown:
            names = ", ".join(f"'{one.prefix}{one.name}'" for one in self.unknown)
            hints = dict.fromkeys(filter(None, (one.hint() for one in self.unknown)))
            known = dict.fromkeys(f"{one.prefix}{n}" for one in self.unknown for n in one.accepted)
            cure = " ".join([*hints, f"Known: {', '.join(known)}."])
            raise ArgumentNameError(
                f"{self.place}: {names}", "nothing takes such an argument", cure if known else ""
            )
        if self.missing:
            owners = ", ".join(dict.fromkeys(self.missing.values()))
            names = ", ".join(f"'{name}'" for name in self.missing)
            raise ConfigurationError(f"{self.place}: {names}", f"is missing, and {owners} needs it")


def check_index(index: Any, count: int, argument: str) -> int:
    """Return an index of a feature, counted from the front.

    Args:
        index: What the user gave.
        count: How many features there are.
        argument: What the index was given for, for the message.

    Raises:
        ConfigurationError: If there is no such feature.
    """
    if not isinstance(index, int) or not -count <= index < count:
        raise ConfigurationError(
            argument,
            f"has {index!r}, but there are {count} features (0 to {count - 1})",
            f"Choose from 0 to {count - 1}, or count from the end with -1 to -{count}.",
        )
    return index % count


def check_indices(indices: Any, count: int, argument: str) -> list[int]:
    """Return indices of features, counted from the front; one index will do.

    Args:
        indices: What the user gave.
        count: How many features there are.
        argument: What they were given for, for the message.

    Raises:
        ConfigurationError: If there is none, or one that is no feature.
    """
    chosen = list(indices) if isinstance(indices, Sequence) else [indices]
    if not chosen:
        raise ConfigurationError(argument, "is empty", "Choose at least one feature.")
    return [check_index(index, count, argument) for index in chosen]
