"""Optimizers and schedulers of torch, by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import nn
from torch.optim import Optimizer, lr_scheduler

from terratorch.errors import ConfigurationError, did_you_mean
from terratorch.metrics import check_monitor
from terratorch.models.arguments import ArgumentCheck
from terratorch.tasks.settings import PATH, OptimizerSettings

if TYPE_CHECKING:
    from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig

Options = dict[str, Any]
ParameterGroup = dict[str, Any]
C = TypeVar("C")

# Keys of `scheduler_hparams` that are for the Trainer: when the scheduler steps.
_TRAINER_KEYS = ("interval", "frequency")
_INTERVALS = ("epoch", "step")


def optimizer_factory(
    optimizer: str,
    lr: float,
    params_to_be_optimized: Iterable[nn.Parameter] | Iterable[ParameterGroup],
    optimizer_hparams: Options | None = None,
    scheduler: str | None = None,
    monitor: str = "val_loss",
    scheduler_hparams: Options | None = None,
) -> Options:
    """Build an optimizer and its scheduler, as Lightning takes them.

    Args:
        optimizer: Name of a class of `torch.optim`.
        lr: Learning rate.
        params_to_be_optimized: Parameters, or groups of them.
        optimizer_hparams: Other arguments of the optimizer.
        scheduler: Name of a class of `torch.optim.lr_scheduler`; None for none.
        monitor: The metric that `ReduceLROnPlateau` watches.
        scheduler_hparams: Arguments of the scheduler, and `interval` (`epoch` or `step`) and
            `frequency` for the Trainer.

    Raises:
        ConfigurationError: If a name or an argument is not one of torch's.
    """
    build: Any = _class_named(optimizer, torch.optim, Optimizer, "optimizer")
    hparams = dict(optimizer_hparams or {})
    _check_arguments(build, hparams, "optimizer_hparams", reserved=("params", "lr"))
    built = build(params_to_be_optimized, lr=lr, **hparams)
    if scheduler is None:
        return {"optimizer": built}
    return {
        "optimizer": built,
        "lr_scheduler": _scheduler(scheduler, built, monitor, dict(scheduler_hparams or {})),
    }


def build_optimizer(
    named_parameters: Iterable[tuple[str, nn.Parameter]], settings: OptimizerSettings, monitor: str
) -> OptimizerLRSchedulerConfig:
    """Return the optimizer and the scheduler of the settings, as Lightning takes them.

    Args:
        named_parameters: The parameters of a task by name.
        settings: The settings.
        monitor: The metric that `ReduceLROnPlateau` watches.

    Raises:
        ConfigurationError: If no parameter is trained, or a name or argument is not one of torch's.
    """
    named = list(named_parameters)
    if not any(parameter.requires_grad for _, parameter in named):
        raise ConfigurationError(
            f"{PATH}.freeze_backbone, freeze_decoder, freeze_head",
            "all parameters are frozen, so there is nothing to train",
            "Train at least one part.",
        )
    config = optimizer_factory(
        settings.optimizer,
        settings.lr,
        parameter_groups(named, settings.lr_overrides),
        dict(settings.optimizer_arguments),
        settings.scheduler,
        monitor,
        dict(settings.scheduler_arguments),
    )
    return cast("OptimizerLRSchedulerConfig", config)


def _scheduler(name: str, optimizer: Optimizer, monitor: str, hparams: Options) -> Options:
    build: Any = _class_named(name, lr_scheduler, lr_scheduler.LRScheduler, "scheduler")
    for_trainer = {key: hparams.pop(key) for key in _TRAINER_KEYS if key in hparams}
    interval = for_trainer.get("interval", "epoch")
    if interval not in _INTERVALS:
        raise ConfigurationError(
            f"{PATH}.scheduler_hparams.interval",
            f"is {interval!r}",
            f"Use {' or '.join(_INTERVALS)}.",
        )
    _check_arguments(build, hparams, "scheduler_hparams", reserved=("optimizer",))
    if issubclass(build, lr_scheduler.ReduceLROnPlateau):
        mode = hparams.get("mode", "min")
        check_monitor(monitor, mode, f"{PATH}.scheduler_hparams.mode")
    return {"scheduler": build(optimizer, **hparams), "monitor": monitor, **for_trainer}


def parameter_groups(
    named_parameters: Iterable[tuple[str, nn.Parameter]], lr_overrides: Mapping[str, float] | None
) -> list[nn.Parameter] | list[ParameterGroup]:
    """Return the parameters, with a separate group for each overridden learning rate.

    Args:
        named_parameters: Parameters by name.
        lr_overrides: Learning rates of the parameters whose name contains the key.

    Raises:
        ConfigurationError: If an override matches no parameter or only frozen ones, or two match
            the same one.
    """
    named = list(named_parameters)
    if not lr_overrides:
        return [parameter for _, parameter in named]
    groups: dict[str, list[nn.Parameter]] = {key: [] for key in lr_overrides}
    rest: list[nn.Parameter] = []
    for name, parameter in named:
        keys = [key for key in lr_overrides if key in name]
        if len(keys) > 1:
            raise ConfigurationError(
                f"{PATH}.lr_overrides", f"{keys} all match the parameter {name!r}"
            )
        (groups[keys[0]] if keys else rest).append(parameter)
    for key, members in groups.items():
        if members and not any(parameter.requires_grad for parameter in members):
            raise ConfigurationError(
                f"{PATH}.lr_overrides.{key}",
                "all parameters with this in their names are frozen",
                "Remove it, or do not freeze that part.",
            )
        if not members:
            roots = list(dict.fromkeys(part for name, _ in named for part in name.split(".")[:3]))
            raise ConfigurationError(
                f"{PATH}.lr_overrides.{key}",
                "no parameter has this in its name",
                f"{did_you_mean(key, roots)} Parameters start with {_roots(named)}.".strip(),
            )
    result: list[ParameterGroup] = [
        {"params": members, "lr": lr_overrides[key]} for key, members in groups.items()
    ]
    return [*result, {"params": rest}] if rest else result


def _roots(named: list[tuple[str, nn.Parameter]]) -> str:
    roots = dict.fromkeys(".".join(name.split(".")[:2]) for name, _ in named)
    return ", ".join(roots)


def _class_named(name: str, module: ModuleType, base: type[C], argument: str) -> type[C]:
    names = [
        key
        for key, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, base) and value is not base
    ]
    if name not in names:
        raise ConfigurationError(
            f"{PATH}.{argument}",
            f"{module.__name__} has no {argument} {name!r}",
            did_you_mean(name, names),
        )
    found: type[C] = getattr(module, name)
    return found


def _check_arguments(
    build: type, hparams: Options, argument: str, reserved: tuple[str, ...]
) -> None:
    for name in reserved:
        if name in hparams:
            raise ConfigurationError(
                f"{PATH}.{argument}.{name}", "is not set here", f"Use {PATH}.{name}."
            )
    check = ArgumentCheck(f"{PATH}.{argument}")
    check.compare("", hparams, build, supplied=reserved)
    check.report()
