"""From transforms as they are written in a configuration to transform objects.

A transform is written as a name (`D4`, `ToTensorV2`), as a dictionary with `class_path` and
`init_args`, or is an object already.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeAlias

from terratorch.datasets import transforms as builtin
from terratorch.datasets.transforms.albumentations_import import import_albumentations
from terratorch.errors import ArgumentNameError, ConfigurationError, did_you_mean

Transform: TypeAlias = Any
"""A transform object; those of albumentations have no types."""

Transforms: TypeAlias = Any
"""Transforms as people write them: a list of names, mappings or objects; or one `Compose`."""


def build_transforms(specs: Sequence[object], thing: str) -> list[Transform]:
    """Build transforms from what people write.

    Args:
        specs: Names, dictionaries with `class_path`, or transform objects.
        thing: The option they come from, for error messages.

    Raises:
        ConfigurationError: If a name is not known, or an argument cannot be used.
    """
    if isinstance(specs, str) or not isinstance(specs, Sequence):
        raise ConfigurationError(thing, f"{specs!r} is not a list", "Give a list of transforms.")
    return [build_transform(spec, f"{thing}[{place}]") for place, spec in enumerate(specs)]


def build_transform(spec: object, thing: str) -> Transform:
    """Build one transform; see `build_transforms`."""
    if isinstance(spec, str):
        return _construct(spec, {}, thing)
    if not isinstance(spec, Mapping) and type(spec).__name__ == "Namespace":
        # A transform that a configuration parser could not build itself.
        spec = vars(spec)
    if isinstance(spec, Mapping):
        return _from_mapping(spec, thing)
    if not callable(spec):
        raise ConfigurationError(
            thing, f"{spec!r} is not a transform", "Write a name, or class_path and init_args."
        )
    _check_arguments(spec, thing)
    return spec


def flattened(transforms: Iterable[Transform]) -> Iterator[Transform]:
    """Yield transforms, and those inside OneOf and the like."""
    for transform in transforms:
        yield transform
        yield from flattened(getattr(transform, "transforms", ()))


def _from_mapping(spec: Mapping[str, object], thing: str) -> Transform:
    unknown = sorted(set(spec) - {"class_path", "init_args"})
    if "class_path" not in spec or unknown:
        seen = f"'{unknown[0]}' is not expected here" if unknown else "class_path is missing"
        raise ConfigurationError(
            thing, seen, "Write `class_path: D4` and, below it, `init_args` with its arguments."
        )
    arguments = spec.get("init_args") or {}
    arguments = arguments if isinstance(arguments, Mapping) else vars(arguments)
    return _construct(str(spec["class_path"]), dict(arguments), thing)


def _construct(name: str, arguments: Mapping[str, object], thing: str) -> Transform:
    kind = _find(name, thing)
    built = {key: _nested(value, f"{thing}.init_args.{key}") for key, value in arguments.items()}
    try:
        with warnings.catch_warnings():
            # It warns of arguments that it does not know: below that is an error.
            warnings.filterwarnings("ignore", "Argument.*not valid for transform")
            transform = kind(**built)
    except (TypeError, ValueError) as error:
        _check_names(kind, arguments, thing)
        raise ConfigurationError(
            f"{thing} {kind.__name__}", _first_lines(error), f"It takes: {_signature(kind)}."
        ) from error
    _check_arguments(transform, thing)
    return transform


def _nested(value: object, thing: str) -> object:
    """Build the transforms that others, such as OneOf, hold."""
    if isinstance(value, list):
        return [_nested(item, f"{thing}[{place}]") for place, item in enumerate(value)]
    if type(value).__name__ == "Namespace":
        value = vars(value)
    is_transform = isinstance(value, Mapping) and "class_path" in value
    return build_transform(value, thing) if is_transform else value


def _check_arguments(transform: object, thing: str) -> None:
    """Refuse arguments that albumentations warned of and left aside."""
    unknown = getattr(transform, "invalid_args", None)
    if unknown:
        raise _unknown_argument(type(transform), unknown[0], thing)


def _check_names(kind: type, arguments: Mapping[str, object], thing: str) -> None:
    """Refuse an argument that a transform does not have: its own message is misleading."""
    names = _parameters(kind)
    unknown = [name for name in arguments if name not in names]
    if unknown and not _takes_any(kind):
        raise _unknown_argument(kind, unknown[0], thing)


def _unknown_argument(kind: type, name: str, thing: str) -> ArgumentNameError:
    return ArgumentNameError(
        f"{thing} {kind.__name__}",
        f"it has no argument '{name}'",
        did_you_mean(name, _parameters(kind)) or f"It takes: {_signature(kind)}.",
    )


def mentions(spec: object, argument: str) -> bool:
    """Return whether an argument is written in what people wrote of a transform, at any depth."""
    if type(spec).__name__ == "Namespace":
        spec = vars(spec)
    if isinstance(spec, Mapping):
        return argument in spec or any(mentions(value, argument) for value in spec.values())
    return isinstance(spec, list) and any(mentions(value, argument) for value in spec)


def _find(name: str, thing: str) -> type:
    albumentations = import_albumentations()
    if "." in name and not name.startswith("albumentations."):
        return _import(name, thing)
    short = name.rpartition(".")[2]
    if short in builtin.__all__ and "." not in name:
        ours: type = getattr(builtin, short)
        return ours
    kind = getattr(albumentations, short, None)
    if isinstance(kind, type):
        return kind
    names = [*builtin.__all__, *_names(albumentations)]
    raise ConfigurationError(
        thing,
        f"there is no transform '{name}'",
        did_you_mean(short, names) or "Names are those of albumentations 2.0, or a full path.",
    )


def _import(path: str, thing: str) -> type:
    module, _, name = path.rpartition(".")
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        # An import that fails inside the module is the user's own error, and is shown as such.
        if not error.name or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(
            thing, f"there is no module '{error.name}' for '{path}'", "Check the path."
        ) from error
    if name not in dir(imported) and name not in getattr(imported, "__all__", ()):
        names = [*dir(imported), *getattr(imported, "__all__", ())]
        raise ConfigurationError(
            thing,
            f"'{module}' has no '{name}'",
            did_you_mean(name, names) or "Check the path.",
        )
    kind: type = getattr(imported, name)
    return kind


def _names(albumentations: ModuleType) -> list[str]:
    return [name for name in dir(albumentations) if isinstance(getattr(albumentations, name), type)]


def _parameters(kind: type) -> list[str]:
    return [
        name
        for name in inspect.signature(kind).parameters
        if name not in ("self", "args", "kwargs")
    ]


def _takes_any(kind: type) -> bool:
    parameters = inspect.signature(kind).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _signature(kind: type) -> str:
    return ", ".join(_parameters(kind)) or "no arguments"


def _first_lines(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # pydantic writes "1 validation error for X", then the field, then the problem.
    if lines and "validation error" in lines[0] and len(lines) >= 3:
        return f"{lines[1]}: {lines[2].split(' [type=')[0]}"
    return lines[0] if lines else type(error).__name__
