"""Sources in other packages, imported at first use."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

from terratorch.errors import UnknownNameError
from terratorch.registry.registry import (
    Constructor,
    ConstructorSource,
    DefiningSource,
    Definition,
    definition_of,
)


class LazySource:
    """A source of another package: imported at first use, empty if it is not installed.

    Args:
        target: The class of the source as `module:attribute`.
        package: The package that it needs.
    """

    def __init__(self, target: str, package: str) -> None:
        self._target = target
        self._package = package
        self._loaded: ConstructorSource | None = None

    def _source(self) -> ConstructorSource | None:
        if self._loaded is None and importlib.util.find_spec(self._package) is not None:
            module, _, attribute = self._target.partition(":")
            self._loaded = getattr(importlib.import_module(module), attribute)()
        return self._loaded

    def build(self, name: str, /, *args: object, **kwargs: object) -> Any:
        """Build by name.

        Raises:
            UnknownNameError: If the package is not installed, or has no such name.
        """
        return self._required(name).build(name, *args, **kwargs)

    def __getitem__(self, name: str) -> Constructor:
        """Return the constructor of a name.

        Raises:
            UnknownNameError: If the package is not installed, or has no such name.
        """
        return self._required(name)[name]

    def definition(self, name: str) -> Definition:
        """Return where a name is defined."""
        source = self._required(name)
        if isinstance(source, DefiningSource):
            return source.definition(name)
        return definition_of(name, source[name])

    def _required(self, name: str) -> ConstructorSource:
        source = self._source()
        if source is None:
            raise UnknownNameError(
                f"'{name}'",
                f"needs the package '{self._package}', which is not installed",
                f"Install it with: pip install {self._package}",
            )
        return source

    def __contains__(self, name: object) -> bool:
        source = self._source()
        return source is not None and name in source

    def __iter__(self) -> Iterator[str]:
        return iter(self._source() or ())

    def __len__(self) -> int:
        source = self._source()
        return 0 if source is None else len(source)
