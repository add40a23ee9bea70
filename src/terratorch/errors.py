"""Every error that a user can cause, with one root.

A message names the thing (a YAML path, a file, a band), says what was seen, and gives the cure. The
class puts the three together, so that all messages read alike; the command line prints them without
a traceback. Our own invariants are `assert`, never one of these.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TerraTorchError(Exception):
    """Root of all errors that a user can cause and mend.

    Args:
        thing: What the message is about: a YAML path, a file, a band, an option.
        seen: What was found there.
        cure: What the user can do about it.
    """

    def __init__(self, thing: str, seen: str = "", cure: str = "") -> None:
        self.thing, self.seen, self.cure = thing, seen, cure
        super().__init__(str(self))

    def __str__(self) -> str:
        # KeyError would show the repr and OSError the errno: people read the message.
        text = f"{self.thing}: {self.seen}" if self.seen else self.thing
        if self.cure:
            text = f"{text}{'' if text.endswith(('.', '?', '!', ':')) else '.'} {self.cure}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (data loader workers): rebuild from the finished message.
        return type(self), (str(self),)


class ConfigurationError(TerraTorchError, ValueError):
    """A value in the configuration, or an argument of a public function, that cannot be used."""


class ArgumentNameError(ConfigurationError, TypeError):
    """An argument that nothing takes: a misspelt key, or one without its prefix."""


class DataError(TerraTorchError, ValueError):
    """Data that cannot be used as it is: a file, a band, a label, a size."""


class MissingFileError(DataError, FileNotFoundError):
    """A file or folder that is not there."""


class NotANumberError(DataError):
    """Images for which a model gives NaN: it may lie with them, or with its weights."""


class OutputError(TerraTorchError, OSError):
    """A folder or a file that cannot be written."""


class WeightsError(TerraTorchError, RuntimeError):
    """Weights or a checkpoint that cannot be had or do not fit the model."""


class MissingDependencyError(TerraTorchError, ImportError):
    """An optional package that is not installed."""


class ExistingNameError(TerraTorchError, KeyError):
    """A name that is registered already."""


class InvalidModelError(TerraTorchError):
    """A model, or a part of one, that cannot be built."""


class UnknownNameError(InvalidModelError, KeyError):
    """A name that a registry does not know.

    Args:
        thing: The kind of thing and the name, such as `backbone 'prithvi_v2'`.
        seen: Which registry was asked, and what it said.
        cure: The closest names, and how to list them all.
    """


def closest(name: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """Return the candidates that are closest to a misspelt name, best first."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.6)
    return [by_lower[match] for match in matches]


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return `Did you mean 'a' or 'b'?`, or an empty string where nothing is close."""
    names = [repr(match) for match in closest(name, candidates)]
    return f"Did you mean {' or '.join(names)}?" if names else ""
