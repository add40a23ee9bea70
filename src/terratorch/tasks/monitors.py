"""Whether what a Trainer watches is logged, and in the right direction."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from lightning.pytorch import Trainer
from torchmetrics import MetricCollection

from terratorch.errors import ConfigurationError, did_you_mean
from terratorch.losses.combined import CombinedLoss
from terratorch.metrics import check_monitor

if TYPE_CHECKING:
    from terratorch.tasks.base_task import TerraTorchTask

# Packages whose callbacks log no metrics of their own.
_LOG_NOTHING = ("lightning", "terratorch")


def check_callbacks(trainer: Trainer) -> None:
    """Raise a `ConfigurationError` for a metric that is not there, or is watched the wrong way."""
    _check_names(trainer, cast("TerraTorchTask", trainer.lightning_module))
    for callback in (*trainer.checkpoint_callbacks, *trainer.early_stopping_callbacks):
        monitor, mode = getattr(callback, "monitor", None), getattr(callback, "mode", "min")
        check_monitor(monitor, mode, f"trainer.callbacks: {type(callback).__name__}")


def _check_names(trainer: Trainer, task: TerraTorchTask) -> None:
    """Refuse a metric that nothing logs, unless the user's own code may log it."""
    if _logs_more(trainer, task):
        return
    known = set(_logged(task))
    for thing, monitor in _monitors(trainer):
        if monitor not in known:
            raise ConfigurationError(
                thing,
                f"it watches '{monitor}', which is no metric of {type(task).__name__}",
                did_you_mean(monitor, known) or f"There are: {', '.join(sorted(known))}.",
            )


def _logs_more(trainer: Trainer, task: TerraTorchTask) -> bool:
    """Whether code that is not ours may log: a task, callback, loss or model of the user's own."""
    kinds = [type(task), *map(type, trainer.callbacks)]  # type: ignore[attr-defined] # it has them
    if any(kind.__module__.partition(".")[0] not in _LOG_NOTHING for kind in kinds):
        return True
    own_loss = type(task.criterion).__module__.partition(".")[0] not in ("terratorch", "torch")
    settings = task.settings  # each auxiliary head logs a loss under its name
    with_heads = bool(settings.aux_heads) or "aux_decoders" in settings.model_args
    return own_loss or with_heads or not task.model_by_name


def _logged(task: TerraTorchTask) -> Iterator[str]:
    criterion = task.criterion
    parts = list(criterion.losses) if isinstance(criterion, CombinedLoss) else []
    for prefix, metrics in (("train/", task.train_metrics), ("val/", task.val_metrics)):
        yield f"{prefix}loss"
        yield from (f"{prefix}{part}{end}" for part in parts for end in ("", "_step", "_epoch"))
        yield from _names(metrics)


def _names(metrics: MetricCollection) -> Iterator[str]:
    """Yield the names of metrics as they are logged: those of classes are known when computed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*was called before the ``update`` method.*")
        yield from metrics.clone().compute()


def _monitors(trainer: Trainer) -> Iterator[tuple[str, str]]:
    """Yield who watches a metric, and its name."""
    for callback in (*trainer.checkpoint_callbacks, *trainer.early_stopping_callbacks):
        monitor = getattr(callback, "monitor", None)
        if monitor is not None:
            yield f"trainer.callbacks: {type(callback).__name__}", monitor
    for config in trainer.lr_scheduler_configs:
        if config.reduce_on_plateau and config.monitor is not None:
            yield f"scheduler {type(config.scheduler).__name__}", config.monitor
