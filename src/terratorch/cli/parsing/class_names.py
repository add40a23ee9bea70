"""Import the classes that a configuration names, and check their arguments.

Only these classes are imported: the parser then finds short names among the loaded classes.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from terratorch.cli.parsing.configuration import Configuration
from terratorch.cli.terminal.arguments import option_value
from terratorch.errors import ArgumentNameError, ConfigurationError, did_you_mean
from terratorch.registry import DATAMODULE_REGISTRY, TASK_REGISTRY, Registry

# Parts of a run from other packages, by their path: what they are, and their base class.
_PARTS = {
    "optimizer": ("optimizer", "torch.optim:Optimizer"),
    "lr_scheduler": ("scheduler", "torch.optim.lr_scheduler:LRScheduler"),
    "trainer.callbacks": ("callback", "lightning.pytorch:Callback"),
    "trainer.logger": ("logger", "lightning.pytorch.loggers:Logger"),
}
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_WORDS = ("true", "false", "null", "none")  # values that name a default instead of a class


def import_named_classes(configuration: Configuration, arguments: Sequence[str]) -> None:
    """Import the named task, data module and parts of the Trainer, and check their arguments.

    Args:
        configuration: The configuration files.
        arguments: The arguments of the sub-command, which may name classes too.

    Raises:
        ConfigurationError: If a class does not exist.
        ArgumentNameError: If a class does not take an argument that it is given.
    """
    from lightning.pytorch import LightningDataModule, LightningModule, Trainer

    trainer = configuration.content.get("trainer")
    if isinstance(trainer, Mapping):
        _check_arguments(inspect.signature(Trainer).parameters, trainer, "trainer", "the Trainer")
    sections: dict[str, tuple[Registry, type]] = {
        "model": (TASK_REGISTRY, LightningModule),
        "data": (DATAMODULE_REGISTRY, LightningDataModule),
    }
    for section, (registry, base) in sections.items():
        name = option_value(
            arguments, *(f"--{section}{end}" for end in ("", ".class_path", ".help"))
        )
        content = configuration.content.get(section)
        if name is not None:
            _load(name, f"--{section}", registry, base)
        elif content is not None:
            _check_section(section, content, registry, base)
    for path, (kind, target) in _PARTS.items():
        module, _, attribute = target.partition(":")
        base = getattr(importlib.import_module(module), attribute)
        for place, name in _part_names(path, configuration, arguments):
            _load(name, place, Registry(kind), base)


def _part_names(
    path: str, configuration: Configuration, arguments: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the places that name a class of a part of the run, with the names."""
    option = option_value(arguments, *(f"--{path}{end}" for end in ("", "+", ".class_path")))
    if option is not None and _NAME.fullmatch(option) and option.lower() not in _WORDS:
        yield f"--{path}", option
    content: object = configuration.content
    for key in path.split("."):
        content = content.get(key) if isinstance(content, Mapping) else None
    for index, part in enumerate(content if isinstance(content, list) else [content]):
        place = f"{path}[{index}]" if isinstance(content, list) else path
        if isinstance(part, str):
            yield place, part
        elif isinstance(part, Mapping) and isinstance(part.get("class_path"), str):
            yield f"{place}.class_path", part["class_path"]


def _check_section(section: str, content: object, registry: Registry, base: type) -> None:
    if isinstance(content, str):  # `model: SemanticSegmentationTask`
        _load(content, section, registry, base)
        return
    if not isinstance(content, Mapping) or not isinstance(content.get("class_path"), str):
        example = next(iter(registry), "package.module.Class")
        raise ConfigurationError(
            f"{section}.class_path",
            "is missing",
            f"Name the class, such as {example}, and put its arguments under init_args.",
        )
    extra = [key for key in content if key not in ("class_path", "init_args", "dict_kwargs")]
    if extra:
        raise ArgumentNameError(
            f"{section}.{extra[0]}",
            "is next to class_path and would be ignored",
            f"Move it to {section}.init_args.{extra[0]}.",
        )
    constructor = _load(content["class_path"], f"{section}.class_path", registry, base)
    arguments = content.get("init_args")
    if arguments is None:
        return
    if not isinstance(arguments, Mapping):
        raise ConfigurationError(
            f"{section}.init_args", f"is a {type(arguments).__name__}", "Give argument: value."
        )
    parameters = inspect.signature(constructor).parameters
    if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values()):
        _check_arguments(parameters, arguments, f"{section}.init_args", constructor.__name__)


def _load(name: str, path: str, registry: Registry, base: type) -> Callable[..., object]:
    """Return the class with a short name, or with a full import path."""
    if "." in name:
        return _import(name, path, registry)
    if name in registry:
        return registry[name]
    loaded = {kind.__name__: kind for kind in _subclasses(base)}
    if name not in loaded:
        listing = f"List them with: {registry.listing}. " if registry.listing else ""
        raise ConfigurationError(
            path,
            f"there is no {registry.kind} '{name}'",
            did_you_mean(name, {*registry, *loaded})
            or f"{listing}A class of yours needs its import path, or the option "
            "custom_modules_path.",
        )
    return loaded[name]


def _subclasses(base: type) -> Iterator[type]:
    kinds: list[type] = base.__subclasses__()
    for kind in kinds:
        yield kind
        yield from _subclasses(kind)


def _import(name: str, path: str, registry: Registry) -> Callable[..., object]:
    module_name, _, attribute = name.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if module_name != missing and not module_name.startswith(f"{missing}."):
            raise  # an import inside that module: the user needs the traceback
        raise ConfigurationError(
            path,
            f"there is no module '{missing}' to import '{name}' from",
            did_you_mean(attribute, registry) or "Is the package installed?",
        ) from error
    value: object = getattr(module, attribute, None)
    if not callable(value):
        raise ConfigurationError(
            path,
            f"module '{module_name}' has no class '{attribute}'",
            did_you_mean(attribute, {*dir(module), *registry}),
        )
    return value


def _check_arguments(known: Iterable[str], arguments: Iterable[str], path: str, name: str) -> None:
    """Raise one error for all unknown arguments of a constructor.

    Args:
        known: The arguments that the constructor takes.
        arguments: The arguments in the configuration.
        path: Their path in the configuration.
        name: The name of the constructor, for the message.
    """
    known = list(known)
    unknown = [argument for argument in arguments if argument not in known]
    if len(unknown) == 1:
        advice = did_you_mean(unknown[0], known) or f"It takes: {', '.join(known)}."
        raise ArgumentNameError(f"{path}.{unknown[0]}", f"{name} does not take it", advice)
    if unknown:
        lines = [f"\n  {path}.{key} {did_you_mean(key, known)}".rstrip() for key in unknown]
        raise ArgumentNameError(path, f"{name} does not take these:{''.join(lines)}")
