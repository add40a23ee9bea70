"""The classes that a configuration names: found, imported, and their arguments checked.

Only what is named is imported: the parser then finds short names among the classes that are loaded.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from terratorch.cli.arguments import option_value
from terratorch.cli.configuration import Configuration
from terratorch.errors import ArgumentNameError, ConfigurationError, did_you_mean
from terratorch.registry import DATAMODULE_REGISTRY, TASK_REGISTRY, Registry

# Options that name a class, after the name of its section.
_NAMING = ("", ".class_path", ".help")


def import_named_classes(configuration: Configuration, arguments: Sequence[str]) -> None:
    """Import the task and the data module that are named, and check their arguments.

    Args:
        configuration: The configuration files.
        arguments: The arguments of the sub-command, which may name classes too.

    Raises:
        ConfigurationError: If there is no such class.
        ArgumentNameError: If it does not take an argument that it is given.
    """
    from lightning.pytorch import LightningDataModule, LightningModule, Trainer

    trainer = configuration.content.get("trainer")
    if isinstance(trainer, Mapping):
        check_arguments(inspect.signature(Trainer).parameters, trainer, "trainer", "the Trainer")
    bases = {
        "model": (TASK_REGISTRY, LightningModule),
        "data": (DATAMODULE_REGISTRY, LightningDataModule),
    }
    for section, (registry, base) in bases.items():
        name = option_value(arguments, *(f"--{section}{end}" for end in _NAMING))
        if name is not None:
            _class_of(name, f"--{section}", registry, base)
            continue
        content = configuration.content.get(section)
        if content is not None:
            _check_section(section, content, registry, base)


def _check_section(section: str, content: Any, registry: Registry, base: type) -> None:
    if isinstance(content, str):  # `model: SemanticSegmentationTask`
        _class_of(content, section, registry, base)
        return
    if not isinstance(content, Mapping) or not isinstance(content.get("class_path"), str):
        raise ConfigurationError(
            f"{section}.class_path",
            "is missing",
            f"Name the class, such as {_example(registry)}, and put its arguments under init_args.",
        )
    extra = [key for key in content if key not in ("class_path", "init_args", "dict_kwargs")]
    if extra:
        raise ArgumentNameError(
            f"{section}.{extra[0]}",
            "is beside class_path, where nothing reads it",
            f"Move it to {section}.init_args.{extra[0]}.",
        )
    constructor = _class_of(content["class_path"], f"{section}.class_path", registry, base)
    arguments = content.get("init_args")
    if arguments is None:
        return
    if not isinstance(arguments, Mapping):
        raise ConfigurationError(
            f"{section}.init_args", f"is a {type(arguments).__name__}", "Give argument: value."
        )
    parameters = inspect.signature(constructor).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return  # the parser follows where they go
    check_arguments(parameters, arguments, f"{section}.init_args", constructor.__name__)


def _example(registry: Registry) -> str:
    return next(iter(registry), "package.module.Class")


def _class_of(name: str, path: str, registry: Registry, base: type) -> type:
    """Return the class of a short name or of a full import path."""
    if "." in name:
        return _import(name, path, registry)
    if name in registry:
        found: Any = registry[name]
        return found
    loaded = {kind.__name__: kind for kind in _subclasses(base)}
    if name not in loaded:
        raise ConfigurationError(
            path,
            f"there is no {registry.kind} '{name}'",
            did_you_mean(name, {*registry, *loaded})
            or f"List them with: {registry.listing}. A class of your own needs its import path, "
            "or the option custom_modules_path.",
        )
    return loaded[name]


def _subclasses(base: type) -> Iterator[type]:
    kinds: list[type] = base.__subclasses__()
    for kind in kinds:
        yield kind
        yield from _subclasses(kind)


def _import(name: str, path: str, registry: Registry) -> type:
    module_name, _, attribute = name.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if module_name != missing and not module_name.startswith(f"{missing}."):
            raise  # an import inside that module: the user must see where
        raise ConfigurationError(
            path,
            f"there is no module '{missing}', of which '{name}' should come",
            did_you_mean(attribute, registry) or "Is the package installed?",
        ) from error
    found: Any = getattr(module, attribute, None)
    if not isinstance(found, type):
        raise ConfigurationError(
            path,
            f"module '{module_name}' has no class '{attribute}'",
            did_you_mean(attribute, {*dir(module), *registry}),
        )
    return found


def check_arguments(known: Iterable[str], arguments: Iterable[str], path: str, taker: str) -> None:
    """Refuse arguments that nothing takes; all of them at once.

    Args:
        known: The arguments that are taken.
        arguments: Those that are given.
        path: Where in the configuration they stand.
        taker: What should take them, for the message.

    Raises:
        ArgumentNameError: If one of them is not known.
    """
    known = list(known)
    unknown = [name for name in arguments if name not in known]
    if len(unknown) == 1:
        cure = did_you_mean(unknown[0], known) or f"It takes: {', '.join(known)}."
        raise ArgumentNameError(f"{path}.{unknown[0]}", f"{taker} does not take it", cure)
    if unknown:
        lines = [f"\n  {path}.{name} {did_you_mean(name, known)}".rstrip() for name in unknown]
        raise ArgumentNameError(path, f"{taker} does not take these:{''.join(lines)}")
