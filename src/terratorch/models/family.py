"""Families of models: names that are rows of a table, and one builder for all.

Only the standard library is imported, so that listing names and cards is quick. `BACKBONES` and
`FULL_MODELS` in `terratorch.registry.builtin` name the families.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from inspect import Parameter, Signature
from typing import Any, Protocol

from terratorch.contracts.features import Features
from terratorch.errors import ArgumentNameError, UnknownNameError, did_you_mean
from terratorch.registry import TERRATORCH_BACKBONE_REGISTRY, TERRATORCH_FULL_MODEL_REGISTRY
from terratorch.registry.registry import Constructor, Definition, definition_of


@dataclass(frozen=True)
class WeightFile:
    """A published weight file.

    Attributes:
        repo: Its repository on the Hugging Face Hub.
        file: Its name in the repository.
        bands: The bands that it was trained on, in order.
        mean: Their means, in the units of the training data.
        std: Their standard deviations.
        licence: SPDX identifier of its licence.
        paper: The paper that describes it.
        revision: The commit of the repository; None for the newest.
        sha256: The checksum of the file, if known.
    """

    repo: str
    file: str
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str
    paper: str
    revision: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class ModelCard:
    """What is known of a registered model without building it.

    Attributes:
        name: Its registered name.
        summary: What it is, in one sentence.
        features: The features that it returns with its default arguments; empty for whole models.
        facts: Its inputs other than images, as in `terratorch.contracts.facts`.
        weights: Its published weights, if any.
    """

    name: str
    summary: str
    features: Features = ()
    facts: tuple[str, ...] = ()
    weights: WeightFile | None = None


class FamilyRow(Protocol):
    """A row of a family: a dataclass with a card, and with configurations as other fields."""

    @property
    def card(self) -> ModelCard:
        """What is known of the model."""


class Family:
    """Registered names that are the rows of one table, built by one function.

    The function takes the card, the configurations, and then the arguments that people pass. Fields
    of the configurations are arguments too: passing one overrides the row.

    Args:
        rows: The rows by name.
        builder: The function as `module:attribute`, imported at first use.
        configs: The fields of a row that hold configurations, which are dataclasses.
        suffix: What follows the name of a row in the registered name.
    """

    def __init__(
        self,
        rows: Mapping[str, FamilyRow],
        builder: str,
        configs: Sequence[str],
        suffix: str = "",
    ) -> None:
        self.rows = rows
        self._builder = builder
        self._configs = tuple(configs)
        self._suffix = suffix
        self._constructors: dict[str, Constructor] = {}

    def card(self, name: str) -> ModelCard:
        """Return what is known of a model without building it.

        Raises:
            UnknownNameError: If there is no such name.
        """
        return replace(self._row(name).card, name=name)

    def build(self, name: str, /, *args: object, **kwargs: object) -> Any:
        """Build a model.

        Raises:
            UnknownNameError: If there is no such name.
        """
        return self[name](*args, **kwargs)

    def __getitem__(self, name: str) -> Constructor:
        """Return the constructor of a model; its signature shows the sizes of the row.

        Raises:
            UnknownNameError: If there is no such name.
        """
        row = self._row(name)
        if name not in self._constructors:
            configs = [getattr(row, field) for field in self._configs]
            self._constructors[name] = _constructor(self.card(name), configs, self._load())
        return self._constructors[name]

    def definition(self, name: str) -> Definition:
        """Return where a model is defined, with its documentation.

        Raises:
            UnknownNameError: If there is no such name.
        """
        documentation = self[name].__doc__
        return replace(definition_of(name, self._load()), docstring=documentation)

    def _load(self) -> Callable[..., object]:
        module, _, attribute = self._builder.partition(":")
        builder: Callable[..., object] = getattr(importlib.import_module(module), attribute)
        return builder

    def _row(self, name: str) -> FamilyRow:
        if name not in self:
            raise UnknownNameError(f"'{name}'", "is in no table", did_you_mean(name, self))
        return self.rows[name.removesuffix(self._suffix)]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or not name.endswith(self._suffix):
            return False
        return name.removesuffix(self._suffix) in self.rows

    def __iter__(self) -> Iterator[str]:
        return (f"{name}{self._suffix}" for name in self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def card_of(name: str) -> ModelCard | None:
    """Return the card of a registered model, with or without the prefix `terratorch_`."""
    own_name = name.removeprefix("terratorch_")
    for registry in (TERRATORCH_BACKBONE_REGISTRY, TERRATORCH_FULL_MODEL_REGISTRY):
        family = registry.family_of(own_name)
        if isinstance(family, Family):
            return family.card(own_name)
    return None


def _constructor(
    card: ModelCard, configs: Sequence[Any], build: Callable[..., object]
) -> Callable[..., object]:
    """Return the constructor of one row."""
    signature = _signature(configs, build)
    parameters = signature.parameters

    def constructor(*args: object, **kwargs: object) -> object:
        for key in kwargs:
            if key not in parameters:
                known = f"It takes: {', '.join(parameters)}."
                raise ArgumentNameError(
                    f"'{card.name}'",
                    f"has no argument '{key}'",
                    did_you_mean(key, parameters) or known,
                )
        sizes = [_sizes(config, kwargs) for config in configs]
        others = {key: value for key, value in kwargs.items() if not any(key in s for s in sizes)}
        changed = [replace(config, **size) for config, size in zip(configs, sizes, strict=True)]
        return build(card, *changed, *args, **others)

    constructor.__name__ = constructor.__qualname__ = card.name
    constructor.__doc__ = f"{card.summary} {inspect.getdoc(build)}"
    vars(constructor)["__signature__"] = signature
    return constructor


def _sizes(config: Any, arguments: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments that are fields of a configuration."""
    names = {field.name for field in fields(config)}
    return {name: value for name, value in arguments.items() if name in names}


def _signature(configs: Sequence[Any], build: Callable[..., object]) -> Signature:
    """Return the signature of a builder with the fields of its configurations for these."""
    others = list(inspect.signature(build).parameters.values())[1 + len(configs) :]
    sizes = [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=getattr(config, field.name),
            annotation=field.type,
        )
        for config in configs
        for field in fields(config)
    ]
    return Signature([*others, *sizes])
