"""Whether the metrics that callbacks monitor are logged, and in the right direction."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torchmetrics import MetricCollection

from terratorch.errors import ConfigurationError, did_you_mean
from terratorch.losses.combined import CombinedLoss
from terratorch.metrics import check_monitor

# Packages whose callbacks do not log metrics.
_LOG_NOTHING = ("lightning", "terratorch")
_OUR_LOSSES = ("terratorch", "torch")


def check_callbacks(trainer: Trainer, known: set[str] | None) -> None:
    """Raise a `ConfigurationError` for a metric that is not logged, or is watched the wrong way.

    Args:
        trainer: The Trainer.
        known: The names that are logged; None if a user's code may log others.
    """
    for subject, monitor in _monitors(trainer):
        if known is not None and monitor not in known:
            raise ConfigurationError(
                subject,
                f"it monitors '{monitor}', which is not a metric of "
                f"{type(trainer.lightning_module).__name__}",
                did_you_mean(monitor, known) or f"Metrics: {', '.join(sorted(known))}.",
            )
    for callback in (*trainer.checkpoint_callbacks, *trainer.early_stopping_callbacks):
        watched, mode = getattr(callback, "monitor", None), getattr(callback, "mode", "min")
        check_monitor(watched, mode, f"trainer.callbacks: {type(callback).__name__}")


def may_log_more(trainer: Trainer, task: LightningModule, criterion: nn.Module) -> bool:
    """Return whether a user's task, callback or loss may log further metrics."""
    kinds = [type(task), *map(type, trainer.callbacks)]  # type: ignore[attr-defined] # it has them
    if any(_package(kind) not in _LOG_NOTHING for kind in kinds):
        return True
    return _package(type(criterion)) not in _OUR_LOSSES


def metric_names(criterion: nn.Module, metrics: Iterable[MetricCollection]) -> Iterator[str]:
    """Yield the names that training and validation log.

    Args:
        criterion: The loss.
        metrics: Those of training and of validation.
    """
    parts = list(criterion.losses) if isinstance(criterion, CombinedLoss) else []
    for prefix, collection in zip(("train/", "val/"), metrics, strict=True):
        yield f"{prefix}loss"
        yield from (f"{prefix}{part}{end}" for part in parts for end in ("", "_step", "_epoch"))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*was called before the ``update`` method.*")
            # Names with a class are known only when metrics are computed.
            yield from collection.clone().compute()


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _monitors(trainer: Trainer) -> Iterator[tuple[str, str]]:
    """Yield what monitors a metric, and the metric."""
    for callback in (*trainer.checkpoint_callbacks, *trainer.early_stopping_callbacks):
        monitor = getattr(callback, "monitor", None)
        if monitor is not None:
            yield f"trainer.callbacks: {type(callback).__name__}", monitor
    for config in trainer.lr_scheduler_configs:
        if config.reduce_on_plateau and config.monitor is not None:
            yield f"scheduler {type(config.scheduler).__name__}", config.monitor
