"""Names -> constructors: one registry, and several of them under one roof.

Nothing here knows of models. Built-in names are rows `name -> "module:attribute"` that are imported
at first use, so that a registry of hundreds of names costs milliseconds.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, overload, runtime_checkable

from terratorch.errors import ExistingNameError, UnknownNameError, closest, did_you_mean

Constructor = Callable[..., Any]
C = TypeVar("C", bound=Constructor)


@dataclass(frozen=True)
class Place:
    """Where a registered name is defined, and what it says of itself."""

    name: str
    module: str
    file: str | None
    line: int | None
    docstring: str | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else self.module


@runtime_checkable
class Source(Protocol):
    """What a `MultiSourceRegistry` asks of its sources."""

    def build(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Build the thing of that name."""

    def __contains__(self, name: object, /) -> bool: ...

    def __iter__(self) -> Iterator[str]: ...

    def __len__(self) -> int: ...


@runtime_checkable
class ConstructorSource(Source, Protocol):
    """A source that also tells what it builds, so that arguments can be checked beforehand."""

    def __getitem__(self, name: str, /) -> Constructor:
        """Return what builds the thing of that name."""


def place_of(name: str, constructor: Constructor) -> Place:
    """Say where a constructor is defined."""
    target = inspect.unwrap(constructor)
    try:
        file, line = inspect.getsourcefile(target), inspect.getsourcelines(target)[1]
    except (TypeError, OSError):  # built-ins, and what was typed at a prompt, have no source file
        file, line = None, None
    module = getattr(target, "__module__", type(target).__module__)
    # Not `inspect.getdoc`: that of a base class, such as torch's, says nothing of this one.
    docstring = target.__doc__ and inspect.cleandoc(target.__doc__)
    return Place(name, module, file, line, docstring)


class Registry:
    """A set of names, each with the constructor that it builds.

    Args:
        kind: What the names stand for, in the singular, as error messages say it.
        rows: Built-in names as `name -> "module:attribute"`, imported at first use.
        listing: The command that lists the names, for error messages.
        prepare: Called once, before the first look-up; it lets plug-ins register themselves.
    """

    def __init__(
        self,
        kind: str = "component",
        rows: Mapping[str, str] | None = None,
        listing: str = "",
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self.kind = kind
        self.listing = listing
        self._rows = dict(rows or {})
        self._constructors: dict[str, Constructor] = {}
        self._prepare = prepare

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
            constructor: What builds the thing.
            overwrite: Replace what is registered under the same name.

        Raises:
            TypeError: If it cannot be called, or has no name.
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
            where = str(place_of(name, first))
        elif name in self._rows:
            row_module, _, attribute = self._rows[name].partition(":")
            if (module, getattr(constructor, "__name__", None)) == (row_module, attribute):
                return
            where = self._rows[name]
        else:
            return
        raise ExistingNameError(
            f"{self.kind} '{name}'",
            f"is registered already, at {where}",
            "Choose another name, or register with overwrite=True.",
        )

    def build(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Build the thing that is registered under a name.

        An error inside the constructor surfaces unchanged.

        Raises:
            UnknownNameError: If nothing is registered under that name. It is a `KeyError` and an
                `InvalidModelError`.
        """
        return self[name](*args, **kwargs)

    def __getitem__(self, name: str) -> Constructor:
        self._ready()
        if name not in self._constructors:
            if name not in self._rows:
                raise self._unknown(name)
            module, _, attribute = self._rows[name].partition(":")
            imported = importlib.import_module(module)  # its decorators register what it defines
            if name not in self._constructors:
                self._constructors[name] = getattr(imported, attribute)
        return self._constructors[name]

    def _unknown(self, name: str) -> UnknownNameError:
        cure = [did_you_mean(name, self), f"List them with: {self.listing}" if self.listing else ""]
        return UnknownNameError(
            f"{self.kind} '{name}'",
            f"not found among the {len(self)} registered names",
            " ".join(filter(None, cure)),
        )

    def find(self, name: str) -> Place:
        """Say where a name is defined: module, file, line, docstring.

        Raises:
            UnknownNameError: If nothing is registered under that name.
        """
        return place_of(name, self[name])

    def _ready(self) -> None:
        if self._prepare is not None:
            prepare, self._prepare = self._prepare, None
            prepare()

    def __contains__(self, name: object) -> bool:
        self._ready()
        return name in self._constructors or name in self._rows

    def __iter__(self) -> Iterator[str]:
        self._ready()
        return iter(sorted({*self._rows, *self._constructors}))

    def __len__(self) -> int:
        self._ready()
        return len({*self._rows, *self._constructors})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kind}, {len(self)} names)"


def _identity(constructor: Constructor) -> tuple[str | None, str | None]:
    return getattr(constructor, "__module__", None), getattr(constructor, "__qualname__", None)


class MultiSourceRegistry:
    """Several sources of the same kind of thing, in order, each with a prefix.

    `build("timm_resnet18")` asks only the source `timm`; without a prefix the sources are asked in
    the order in which they were registered.

    Args:
        kind: What the names stand for, in the singular, as error messages say it.
        sources: Sources by prefix, first to be asked first.
        listing: The command that lists the names, for error messages.
    """

    def __init__(
        self,
        kind: str = "component",
        sources: Mapping[str, Source] | None = None,
        listing: str = "",
    ) -> None:
        self.kind = kind
        self.listing = listing
        self._sources: dict[str, Source] = dict(sources or {})

    def register_source(self, prefix: str, source: Source) -> None:
        """Add a source; it is asked after those that are here already.

        Args:
            prefix: Its prefix, without the underscore.
            source: Any object with `build`, `in`, `iter` and `len`.

        Raises:
            KeyError: If the prefix is taken.
        """
        if prefix in self._sources:
            raise KeyError(f"Source for prefix {prefix} already exists.")
        self._sources[prefix] = source

    def build(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Build the thing of that name, from the first source that has it.

        An error inside the constructor surfaces unchanged.

        Raises:
            UnknownNameError: If no source has it. It is a `KeyError` and an `InvalidModelError`.
        """
        source, own_name = self._locate(name)
        return source.build(own_name, *args, **kwargs)

    def find(self, name: str) -> Place:
        """Say where a name is defined: module, file, line, docstring.

        Raises:
            UnknownNameError: If no source has it.
        """
        source, own_name = self._locate(name)
        find = getattr(source, "find", None)
        if find is None:
            return Place(own_name, type(source).__module__, None, None, None)
        place: Place = find(own_name)
        return place

    def source_of(self, name: str) -> tuple[str, str]:
        """Return the prefix of the source that has a name, and the name without its prefix.

        Raises:
            UnknownNameError: If no source has it.
        """
        source, own_name = self._locate(name)
        return next(prefix for prefix, other in self._sources.items() if other is source), own_name

    def _locate(self, name: str) -> tuple[Source, str]:
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
        """Return the prefix that a name has, the longest that fits, or None."""
        fitting = (prefix for prefix in self._sources if str(name).startswith(f"{prefix}_"))
        return max(fitting, key=len, default=None)

    def _unknown(self, name: str, own_name: str, asked: Iterable[str]) -> UnknownNameError:
        asked = list(asked)
        candidates = {known for prefix in asked for known in self._sources[prefix]}
        # Compared without the prefix, which is alike in all, and written as the user does.
        prefix = name.removesuffix(own_name)
        near = [f"'{prefix}{match}'" for match in closest(own_name, candidates)]
        cure = [
            f"Did you mean {' or '.join(near)}?" if near else "",
            f"List them with: {self.listing}" if self.listing else "",
        ]
        return UnknownNameError(
            f"{self.kind} '{name}'",
            f"could not be instantiated: no source has it (asked: {', '.join(asked) or 'none'})",
            " ".join(filter(None, cure)),
        )

    def __getitem__(self, prefix: str) -> Source:
        return self._sources[prefix]

    def keys(self) -> KeysView[str]:
        """The prefixes of the sources, in the order in which they are asked."""
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
