"""Hyperparameters: what the constructors of an object were called with, recorded as they run."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from lightning.pytorch.core.mixins.hparams_mixin import HyperparametersMixin

from terratorch.tasks.plain_values import to_plain

Values = dict[str, Any]


class Call(NamedTuple):
    """The arguments that one constructor of an object was called with.

    Attributes:
        chosen: Those that were passed.
        all: Those that were passed, and defaults.
        takes_any: Whether it takes keywords that it does not name.
        hides_some: Whether it was passed positions that it does not name.
    """

    chosen: Values
    all: Values
    takes_any: bool
    hides_some: bool


class RecordedArguments(HyperparametersMixin):
    """Record what each constructor of an object is called with.

    Every class that defines `__init__` gets a wrapper around it, so a subclass with arguments of
    its own needs nothing more to have them stored in checkpoints.
    """

    _calls: list[Call]  # the constructor of the outermost class first

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _recorded(cls.__init__)  # type: ignore[method-assign] # a wrapper

    def used_arguments(self) -> Values:
        """Return the value of each argument that counts: as the innermost constructor got it."""
        values: Values = {}
        for call in self._calls[:-1]:
            values.update(call.all)
        # The base has defaults for what constructors below it have taken already.
        return {**self._calls[-1].all, **values, **self._calls[-1].chosen}

    def own_arguments(self) -> Values:
        """Return the arguments that build the object again: as the outermost constructor got them.

        A constructor that takes any keywords gets only those that it was called with: it may set
        the others.
        """
        outermost, *inner = self._calls
        if outermost.takes_any:
            positional = inner[0].chosen if outermost.hides_some else {}
            return {**positional, **outermost.all}
        values: Values = {}
        for call in reversed(self._calls):
            values.update(call.all)
        return values

    def keep_hyperparameters(self, **defaults: object) -> None:
        """Keep the arguments as plain values, for checkpoints and loggers.

        `save_hyperparameters` would look for them in stack frames.

        Args:
            **defaults: Values of arguments that are None.
        """
        values = self.own_arguments()
        del self._calls
        values |= {name: defaults[name] for name in defaults if values.get(name, 0) is None}
        self.hparams.update({name: to_plain(value, name) for name, value in values.items()})
        self._hparams_initial = copy.deepcopy(self.hparams)
        self._log_hyperparams = True


def _recorded(init: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor that records its arguments before it runs."""
    signature = inspect.signature(init)
    names = {parameter.kind: name for name, parameter in signature.parameters.items()}
    takes_any = inspect.Parameter.VAR_KEYWORD in names
    positional = names.get(inspect.Parameter.VAR_POSITIONAL, "")

    @functools.wraps(init)
    def recorded(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        chosen = _flat(bound)
        bound.apply_defaults()
        hides_some = bool(bound.arguments.get(positional))
        call = Call(chosen, _flat(bound), takes_any, hides_some)
        self.__dict__.setdefault("_calls", []).append(call)
        init(self, *args, **kwargs)

    # Lightning reads the arguments of a constructor without following wrappers.
    recorded.__signature__ = signature  # type: ignore[attr-defined] # functions may have it
    return recorded


def _flat(bound: inspect.BoundArguments) -> Values:
    """Return arguments by name, further keywords among them, without `self`."""
    _, *named = bound.arguments.items()
    values: Values = {}
    for name, value in named:
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            values.update(value)
        elif kind is not inspect.Parameter.VAR_POSITIONAL:
            values[name] = value
    return values
