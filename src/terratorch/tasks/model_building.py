"""The model of a task: built by a factory or passed as an object, and frozen in parts."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from terratorch.errors import ArgumentNameError, ConfigurationError
from terratorch.models.arguments import ArgumentCheck
from terratorch.models.task_heads import SIZE_ARGUMENTS
from terratorch.registry import MODEL_FACTORY_REGISTRY
from terratorch.tasks.settings import PATH, FreezingSettings, ModelSettings

DEFAULT_FACTORY = "EncoderDecoderFactory"


def check_given_model(model: nn.Module | None, settings: ModelSettings) -> None:
    """Raise a `ConfigurationError` unless there is exactly one way to the model.

    A model that is passed is not built, so arguments that only a factory reads are refused.
    """
    if model is None:
        if not settings.arguments:
            raise ConfigurationError(
                f"{PATH}.model_args",
                "neither model_args nor a model is set",
                f"Give the arguments of {settings.factory or DEFAULT_FACTORY}.",
            )
        return
    beside = {"model_factory": settings.factory, "aux_heads": settings.auxiliary_heads}
    for name, value in beside.items():
        if value:
            raise ConfigurationError(
                f"{PATH}.{name}", "set together with a model that is already built", f"Drop {name}."
            )
    unused = [name for name in settings.arguments if name not in SIZE_ARGUMENTS]
    if unused:
        raise ArgumentNameError(
            f"{PATH}.model_args.{unused[0]}",
            "set together with a model that is already built, so nothing uses it",
            f"With a model, only {' and '.join(SIZE_ARGUMENTS)} belong there.",
        )


def build_model(task: str | None, settings: ModelSettings) -> nn.Module:
    """Return the model that the settings describe.

    Args:
        task: What the factory builds a head for, such as `segmentation`.
        settings: The settings.

    Raises:
        ConfigurationError: If the factory does not take an argument, or needs another.
    """
    factory = MODEL_FACTORY_REGISTRY.build(settings.factory or DEFAULT_FACTORY)
    arguments = dict(settings.arguments)
    if settings.auxiliary_heads:
        arguments["aux_decoders"] = list(settings.auxiliary_heads)
    check = ArgumentCheck(f"{PATH}.model_args")
    check.compare("", {"task": task, **arguments}, factory.build_model, first=0)
    check.report()
    model: nn.Module = factory.build_model(task=task, **arguments)
    return model


def freeze_parts(model: nn.Module, settings: FreezingSettings) -> None:
    """Exclude the parts of a model from training that the settings name.

    Raises:
        ConfigurationError: If the model cannot freeze that part.
    """
    for part, is_frozen in vars(settings).items():
        if not is_frozen:
            continue
        method = f"freeze_{part}".replace("backbone", "encoder")
        freeze: Callable[[], None] | None = getattr(model, method, None)
        if freeze is None:
            raise ConfigurationError(
                f"{PATH}.freeze_{part}",
                f"{type(model).__name__} has no {method}()",
                "Derive it from terratorch.models.model.Model, or set requires_grad yourself.",
            )
        freeze()
