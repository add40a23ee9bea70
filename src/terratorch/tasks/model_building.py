"""The model of a task: built by a factory, or given; frozen in parts; called alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from terratorch.errors import ArgumentNameError, ConfigurationError
from terratorch.models.arguments import ArgumentCheck
from terratorch.models.task_heads import SIZE_ARGUMENTS
from terratorch.registry import MODEL_FACTORY_REGISTRY
from terratorch.tasks.settings import PATH, TaskSettings

DEFAULT_FACTORY = "EncoderDecoderFactory"


def check_given_model(model: nn.Module | None, settings: TaskSettings) -> None:
    """Raise a `ConfigurationError` unless there is exactly one way to the model.

    A given model is not built, so nothing that only a factory reads may stand beside it.
    """
    if model is None:
        if not settings.model_args:
            raise ConfigurationError(
                f"{PATH}.model_args",
                "neither model_args nor a model is given",
                f"Give the arguments of {settings.model_factory or DEFAULT_FACTORY}.",
            )
        return
    for name in ("model_factory", "aux_heads"):
        if getattr(settings, name):
            raise ConfigurationError(
                f"{PATH}.{name}", "given beside a model that is built already", f"Drop {name}."
            )
    unused = [name for name in settings.model_args if name not in SIZE_ARGUMENTS]
    if unused:
        raise ArgumentNameError(
            f"{PATH}.model_args.{unused[0]}",
            "given beside a model that is built already, so nothing uses it",
            f"With a model, only {' and '.join(SIZE_ARGUMENTS)} belong there.",
        )


def build_model(task: str | None, settings: TaskSettings) -> nn.Module:
    """Return the model that the settings describe.

    Args:
        task: What the factory builds a head for, such as `segmentation`.
        settings: The settings, with `model_args`.

    Raises:
        ConfigurationError: If the factory does not take an argument, or needs another.
    """
    factory = MODEL_FACTORY_REGISTRY.build(settings.model_factory or DEFAULT_FACTORY)
    arguments = dict(settings.model_args)
    if settings.aux_heads:
        arguments["aux_decoders"] = list(settings.aux_heads)
    check = ArgumentCheck(f"{PATH}.model_args")
    check.compare("", {"task": task, **arguments}, factory.build_model, first=0)
    check.report()
    model: nn.Module = factory.build_model(task=task, **arguments)
    return model


def freeze_parts(model: nn.Module, settings: TaskSettings) -> None:
    """Exclude the parts of a model from training that the settings name.

    Raises:
        ConfigurationError: If the model cannot freeze that part.
    """
    wanted: Mapping[str, bool] = {
        "freeze_encoder": settings.freeze_backbone,
        "freeze_decoder": settings.freeze_decoder,
        "freeze_head": settings.freeze_head,
    }
    for method, chosen in wanted.items():
        if not chosen:
            continue
        freeze: Any = getattr(model, method, None)
        if freeze is None:
            option = method.replace("encoder", "backbone")
            raise ConfigurationError(
                f"{PATH}.{option}",
                f"{type(model).__name__} has no {method}()",
                "Derive it from terratorch.models.model.Model, or set requires_grad yourself.",
            )
        freeze()
