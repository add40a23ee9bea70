"""Registries: names with their constructors, and several sources of names behind one prefix each.

Nothing here knows about models. Built-in names are rows `name -> "module:attribute"`, or families
of names, and are imported at first use, so that a registry of hundreds of names costs milliseconds.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar, overload, runtime_checkable

from terratorch.errors import ExistingNameError, UnknownNameError, closest, did_you_mean

Constructor = Callable[..., Any]
C = TypeVar("C", bound=Constructor)


@dataclass(frozen=True)
class Definition:
    """Where a registered name is defined, with its documentation."""

    name: str
    module: str
    file: str | None
    line: int | None
    docstring: str | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else self.module


@runtime_checkable
class NameSource(Protocol):
    """What a `MultiSourceRegistry` needs of its sources."""

    def build(self, name: str, /, *args: object, **kwargs: object) -> Any:
        """Build by name."""

    def __contains__(self, name: object, /) -> bool: ...

    def __iter__(self) -> Iterator[str]: ...

    def __len__(self) -> int: ...


@runtime_checkable
class ConstructorSource(NameSource, Protocol):
    """A source that also gives its constructors, so that arguments can be checked beforehand."""

    def __getitem__(self, name: str, /) -> Constructor:
        """Return the constructor of a name."""


@runtime_checkable
class DefiningSource(NameSource, Protocol):
    """A source that knows where its names are defined."""

    def definition(self, name: str, /) -> Definition:
        """Return where a name is defined, with its documentation."""


def definition_of(name: str, constructor: Constructor) -> Definition:
    """Return where a constructor is defined, with its documentation."""
    target = inspect.unwrap(constructor)
    try:
        file, line = inspect.getsourcefile(target), inspect.getsourcelines(target)[1]
    except (TypeError, OSError):  # built-ins, and what was typed at a prompt, have no source file
        file, line = None, None
    module = getattr(target, "__module__", type(target).__module__)
    # Not `inspect.getdoc`, which may return the docstring of a base class, such as torch's.
    docstring = target.__doc__ and inspect.cleandoc(target.__doc__)
    return Definition(name, module, file, line, docstring)


class FamilySource(ConstructorSource, DefiningSource, Protocol):
    """A source of built-in names, such as `terratorch.models.family.Family`."""


class Registry:
    """A set of names, each with its constructor.

    Args:
        kind: What the names stand for, in the singular, for error messages.
        rows: Built-in names as `name -> "module:attribute"`, imported at first use.
        listing: The command that lists the names, for error messages.
        prepare: Called once, before the first look-up, so that plug-ins can register themselves.
        families: Sources of further built-in names, as `"module:attribute"`.
    """

    def __init__(
        self,
        kind: str = "component",
        rows: Mapping[str, str] | None = None,
        listing: str = "",
        prepare: Callable[[], None] | None = None,
        families: Sequence[str] = (),
    ) -> None:
        self.kind = kind
        self.listing = listing
        self._rows = dict(rows or {})
        self._constructors: dict[str, Constructor] = {}
        self._prepare = prepare
        self._family_paths = tuple(families)

    @overload
    def register(self, constructor: C) -> C: ...

    @overload
    def register(
        self, constructor: None = None, *, overwrite: bool = False
    ) -> Callable[[C], C]: ...

    def register(
        self, constructor: C | None = None, *, overwrite: bool = False
    ) -> C | Callable[[C], C]:
        """Register a function or a class under its `__name__`; use it as a decorator.

        Registering the same definition again (same module and qualified name: a notebook cell that
        is run twice) replaces it.

        Args:
            constructor: The function or class.
            overwrite: Replace the constructor that is registered under the same name.

        Raises:
            TypeError: If it is not callable, or has no name.
            ExistingNameError: If the name is taken by another definition. It is a `KeyError`.
        """
        if constructor is None:
            return lambda late: self.register_as(late, overwrite=overwrite)
        return self.register_as(constructor, overwrite=overwrite)

    def register_as(self, constructor: C, name: str | None = None, *, overwrite: bool = False) -> C:
        """Register a constructor under a name of your choice, by default its `__name__`."""
        if not callable(constructor):
            raise TypeError(
                f"Only functions and classes can be registered as a {self.kind}, "
                f"not {constructor!r} of type {type(constructor).__name__}."
            )
        name = name or getattr(constructor, "__name__", None)
        if name is None:
            raise TypeError(f"{constructor!r} has no __name__ to register it under.")
        if not overwrite:
            self._refuse_another(name, constructor)
        self._constructors[name] = constructor
        return constructor

    def _refuse_another(self, name: str, constructor: Constructor) -> None:
        module, qualname = _identity(constructor)
        if name in self._constructors:
            first = self._constructors[name]
            if _identity(first) == (module, qualname):
                return
            where = str(definition_of(name, first))
        elif name in self._rows:
            row_module, _, attribute = self._rows[name].partition(":")
            if (module, getattr(constructor, "__name__", None)) == (row_module, attribute):
                return
            where = self._rows[name]
        elif (family := self.family_of(name)) is not None:
            where = str(family.definition(name))
        else:
            return
        raise ExistingNameError(
            f"{self.kind} '{name}'",
            f"is registered already, at {where}",
            "Choose another name, or register with overwrite=True.",
        )

    @cached_property
    def families(self) -> tuple[FamilySource, ...]:
        """The sources of further built-in names."""
        return tuple(_imported(path) for path in self._family_paths)

    def family_of(self, name: str) -> FamilySource | None:
        """Return the family that has a name; None for names that are rows or were registered."""
        if name in self._constructors or name in self._rows:
            return None
        return next((family for family in self.families if name in family), None)

    def build(self, name: str, /, *args: object, **kwargs: object) -> Any:
        """Build by name.

        An error inside the constructor surfaces unchanged.

        Raises:
            UnknownNameError: If nothing is registered under that name. It is a `KeyError` and an
                `InvalidModelError`.
        """
        return self[name](*args, **kwargs)

    def __getitem__(self, name: str) -> Constructor:
        self._ready()
        if name not in self._constructors:
            family = self.family_of(name)
            if family is not None:
                return family[name]
            if name not in self._rows:
                raise self._unknown(name)
            constructor: Constructor = _imported(self._rows[name])  # its decorators may register it
            self._constructors.setdefault(name, constructor)
        return self._constructors[name]

    def _unknown(self, name: str) -> UnknownNameError:
        cure = [did_you_mean(name, self), f"List them with: {self.listing}" if self.listing else ""]
        return UnknownNameError(
            f"{self.kind} '{name}'",
            f"not found among the {len(self)} registered names",
            " ".join(filter(None, cure)),
        )

    def definition(self, name: str) -> Definition:
        """Return where a name is defined: module, file, line, docstring.

        Raises:
            UnknownNameError: If nothing is registered under that name.
        """
        family = self.family_of(name)
        return definition_of(name, self[name]) if family is None else family.definition(name)

    def _ready(self) -> None:
        if self._prepare is not None:
            prepare, self._prepare = self._prepare, None
            prepare()

    def _names(self) -> set[str]:
        self._ready()
        of_families = (name for family in self.families for name in family)
        return {*self._rows, *self._constructors, *of_families}

    def __contains__(self, name: object) -> bool:
        self._ready()
        if name in self._constructors or name in self._rows:
            return True
        return any(name in family for family in self.families)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names()))

    def __len__(self) -> int:
        return len(self._names())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kind}, {len(self)} names)"


def _imported(path: str) -> Any:
    """Import what `module:attribute` names."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _identity(constructor: Constructor) -> tuple[str | None, str | None]:
    return getattr(constructor, "__module__", None), getattr(constructor, "__qualname__", None)


class MultiSourceRegistry:
    """Several sources of one kind of part, in order, each with a prefix.

    `build("timm_resnet18")` searches only the source `timm`; without a prefix the sources are
    searched in the order in which they were registered.

    Args:
        kind: What the names stand for, in the singular, for error messages.
        sources: Sources by prefix, in the order in which they are searched.
        listing: The command that lists the names, for error messages.
    """

    def __init__(
        self,
        kind: str = "component",
        sources: Mapping[str, NameSource] | None = None,
        listing: str = "",
    ) -> None:
        self.kind = kind
        self.listing = listing
        self._sources: dict[str, NameSource] = dict(sources or {})

    def register_source(self, prefix: str, source: NameSource) -> None:
        """Add a source, which is searched after all others.

        Args:
            prefix: Its prefix, without the underscore.
            source: Any object with `build`, `in`, `iter` and `len`.

        Raises:
            KeyError: If the prefix is taken.
        """
        if prefix in self._sources:
            raise KeyError(f"Source for prefix {prefix} already exists.")
        self._sources[prefix] = source

    def build(self, name: str, /, *args: object, **kwargs: object) -> Any:
        """Build by name, from the first source that has it.

        An error inside the constructor surfaces unchanged.

        Raises:
            UnknownNameError: If no source has it. It is a `KeyError` and an `InvalidModelError`.
        """
        source, own_name = self._locate(name)
        return source.build(own_name, *args, **kwargs)

    def definition(self, name: str) -> Definition:
        """Return where a name is defined: module, file, line, docstring.

        Raises:
            UnknownNameError: If no source has it.
        """
        source, own_name = self._locate(name)
        if isinstance(source, DefiningSource):
            return source.definition(own_name)
        return Definition(own_name, type(source).__module__, None, None, None)

    def source_of(self, name: str) -> tuple[str, str]:
        """Return the prefix of the source that has a name, and the name without its prefix.

        Raises:
            UnknownNameError: If no source has it.
        """
        source, own_name = self._locate(name)
        return next(prefix for prefix, other in self._sources.items() if other is source), own_name

    def _locate(self, name: str) -> tuple[NameSource, str]:
        prefix = self._prefix_of(name)
        if prefix is not None:
            own_name = name.removeprefix(f"{prefix}_")
            if own_name in self._sources[prefix]:
                return self._sources[prefix], own_name
            raise self._unknown(name, own_name, [prefix])
        for source in self._sources.values():
            if name in source:
                return source, name
        raise self._unknown(name, name, self._sources)

    def _prefix_of(self, name: str) -> str | None:
        """Return the longest prefix of a source that a name starts with, or None."""
        fitting = (prefix for prefix in self._sources if str(name).startswith(f"{prefix}_"))
        return max(fitting, key=len, default=None)

    def _unknown(self, name: str, own_name: str, searched: Iterable[str]) -> UnknownNameError:
        searched = list(searched)
        candidates = {known for prefix in searched for known in self._sources[prefix]}
        # Without the prefix, which all share and which would make all names look close.
        prefix = name.removesuffix(own_name)
        near = [f"'{prefix}{match}'" for match in closest(own_name, candidates)]
        cure = [
            f"Did you mean {' or '.join(near)}?" if near else "",
            f"List them with: {self.listing}" if self.listing else "",
        ]
        sources = ", ".join(searched) or "none"
        return UnknownNameError(
            f"{self.kind} '{name}'",
            f"could not be instantiated: no source has it (searched: {sources})",
            " ".join(filter(None, cure)),
        )

    def __getitem__(self, prefix: str) -> NameSource:
        return self._sources[prefix]

    def keys(self) -> KeysView[str]:
        """Return the prefixes of the sources, in the order in which they are searched."""
        return self._sources.keys()

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        prefix = self._prefix_of(name)
        if prefix is not None:
            return name.removeprefix(f"{prefix}_") in self._sources[prefix]
        return any(name in source for source in self._sources.values())

    def __iter__(self) -> Iterator[str]:
        for prefix, source in self._sources.items():
            for name in source:
                yield f"{prefix}_{name}"

    def __len__(self) -> int:
        return sum(len(source) for source in self._sources.values())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kind}, sources: {', '.join(self._sources)})"
