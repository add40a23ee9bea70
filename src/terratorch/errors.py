"""Every error that a user can cause, with one root.

A message names its subject (a YAML path, a file, a band), the problem, and what to do about it. The
class joins the three, so that all messages read alike; the command line prints them without a
traceback. Violations of our own invariants are `assert`, never one of these.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TerraTorchError(Exception):
    """Root of all errors that a user can cause and fix.

    Args:
        subject: What the message is about: a YAML path, a file, a band, an option.
        problem: What is wrong with it.
        advice: What the user can do about it.
    """

    def __init__(self, subject: str, problem: str = "", advice: str = "") -> None:
        self.subject, self.problem, self.advice = subject, problem, advice
        super().__init__(str(self))

    def __str__(self) -> str:
        # KeyError would show the repr and OSError the errno: people read the message.
        text = f"{self.subject}: {self.problem}" if self.problem else self.subject
        if self.advice:
            text = f"{text}{'' if text.endswith(('.', '?', '!', ':')) else '.'} {self.advice}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        # Errors are sent between processes (data loader workers): rebuild from the full message.
        return type(self), (str(self),)


class ConfigurationError(TerraTorchError, ValueError):
    """A value in the configuration, or an argument of a public function, that cannot be used."""


class ArgumentNameError(ConfigurationError, TypeError):
    """An unknown argument: a misspelt key, or one without its prefix."""


class DataError(TerraTorchError, ValueError):
    """Data that cannot be used: a file, a band, a label, a size."""


class MissingFileError(DataError, FileNotFoundError):
    """A file or folder that does not exist."""


class NotANumberError(DataError):
    """Images for which a model returns NaN, because of their values or of its weights."""


class OutputError(TerraTorchError, OSError):
    """A folder or a file that cannot be written."""


class WeightsError(TerraTorchError, RuntimeError):
    """Weights or a checkpoint that cannot be read, or do not fit the model."""


class MissingDependencyError(TerraTorchError, ImportError):
    """An optional package that is not installed."""


class ExistingNameError(TerraTorchError, KeyError):
    """A name that is registered already."""


class InvalidModelError(TerraTorchError):
    """A model, or a part of one, that cannot be built."""


class UnknownNameError(InvalidModelError, KeyError):
    """A name that is not in a registry.

    Args:
        subject: The kind of object and the name, such as `backbone 'prithvi_v2'`.
        problem: The name of the registry, and its answer.
        advice: The closest names, and how to list them all.
    """


def closest(name: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """Return the candidates that are closest to a misspelt name, best first."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.6)
    return [by_lower[match] for match in matches]


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return `Did you mean 'a' or 'b'?`, or an empty string if no candidate is close."""
    names = [repr(match) for match in closest(name, candidates)]
    return f"Did you mean {' or '.join(names)}?" if names else ""
