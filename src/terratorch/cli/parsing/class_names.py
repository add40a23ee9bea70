"""The classes that a configuration names: found, imported, and their arguments checked.

Only what is named is imported: the parser then finds short names among the classes that are loaded.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from terratorch.cli.parsing.configuration import Configuration
from terratorch.cli.terminal.arguments import option_value
from terratorch.errors import ArgumentNameError, ConfigurationError, did_you_mean
from terratorch.registry import DATAMODULE_REGISTRY, TASK_REGISTRY, Registry

# Options that name a class, after the name of its section.
_NAMING = ("", ".class_path", ".help")
# Parts of a run that others provide, by where they stand: what they are, and their base class.
_PARTS = {
    "optimizer": ("optimizer", "torch.optim:Optimizer"),
    "lr_scheduler": ("scheduler", "torch.optim.lr_scheduler:LRScheduler"),
    "trainer.callbacks": ("callback", "lightning.pytorch:Callback"),
    "trainer.logger": ("logger", "lightning.pytorch.loggers:Logger"),
}
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_WORDS = ("true", "false", "null", "none")  # they stand for a default, and for no class


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
    for path, (kind, target) in _PARTS.items():
        module, _, attribute = target.partition(":")
        base = getattr(importlib.import_module(module), attribute)
        for place, name in _part_names(path, configuration, arguments):
            _class_of(name, place, Registry(kind), base)


def _part_names(
    path: str, configuration: Configuration, arguments: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield where classes of a part of the run are named, and their names."""
    given = option_value(arguments, *(f"--{path}{end}" for end in ("", "+", ".class_path")))
    if given is not None and _NAME.fullmatch(given) and given.lower() not in _WORDS:
        yield f"--{path}", given
    content: Any = configuration.content
    for key in path.split("."):
        content = content.get(key) if isinstance(content, Mapping) else None
    for index, part in enumerate(content if isinstance(content, list) else [content]):
        place = f"{path}[{index}]" if isinstance(content, list) else path
        if isinstance(part, str):
            yield place, part
        elif isinstance(part, Mapping) and isinstance(part.get("class_path"), str):
            yield f"{place}.class_path", part["class_path"]


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


def _class_of(name: str, path: str, registry: Registry, base: type) -> Any:
    """Return the class of a short name or of a full import path."""
    if "." in name:
        return _import(name, path, registry)
    if name in registry:
        return registry[name]
    loaded = {kind.__name__: kind for kind in _subclasses(base)}
    if name not in loaded:
        raise ConfigurationError(
            path,
            f"there is no {registry.kind} '{name}'",
            did_you_mean(name, {*registry, *loaded})
            or f"{f'List them with: {registry.listing}. ' if registry.listing else ''}"
            "A class of your own needs its import path, or the option custom_modules_path.",
        )
    return loaded[name]


def _subclasses(base: type) -> Iterator[type]:
    kinds: list[type] = base.__subclasses__()
    for kind in kinds:
        yield kind
        yield from _subclasses(kind)


def _import(name: str, path: str, registry: Registry) -> Any:
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
    if not callable(found):
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
