"""Whether the callbacks of a Trainer watch their metrics in the right direction."""

from __future__ import annotations

from lightning.pytorch import Trainer

from terratorch.metrics import check_monitor


def check_callbacks(trainer: Trainer) -> None:
    """Raise a `ConfigurationError` if a checkpoint or early stopping keeps the worst model."""
    for callback in (*trainer.checkpoint_callbacks, *trainer.early_stopping_callbacks):
        monitor, mode = getattr(callback, "monitor", None), getattr(callback, "mode", "min")
        check_monitor(monitor, mode, f"trainer.callbacks: {type(callback).__name__}")
