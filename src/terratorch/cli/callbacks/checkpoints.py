"""Checkpoints: the best and the last, each in full and as weights only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint

from terratorch.metrics import direction

BEST, LAST = "best", "last"
_WEIGHTS = "state_dict"


class StateDictAwareModelCheckpoint(ModelCheckpoint):
    """Save checkpoints in full or as weights only, both in one folder.

    Files of weights only have `state_dict` in their name, so that the two kinds never overwrite or
    remove each other. The arguments are those of Lightning's `ModelCheckpoint`.

    Args:
        dirpath: The folder; by default `checkpoints` in the folder of the run.
        filename: The name, with `{epoch}` and names of metrics in braces.
        monitor: The metric to compare by; None keeps the latest.
        verbose: Log every file that is saved.
        save_last: Save the latest as `last` as well.
        save_top_k: How many of the best to keep; -1 for all.
        save_best_only: Keep the single best only.
        mode: Whether the least (`min`) or the greatest (`max`) value is the best.
        save_weights_only: Omit the states of optimizer, scheduler and loops.
        auto_insert_metric_name: Write the name of a metric before its value in file names.
        every_n_train_steps: Steps from one checkpoint to the next.
        train_time_interval: Time from one checkpoint to the next.
        every_n_epochs: Epochs from one checkpoint to the next.
        save_on_train_epoch_end: Save at the end of the epoch, rather than of the validation.
        enable_version_counter: Number a file whose name exists, rather than overwrite it.
    """

    def __init__(
        self,
        dirpath: str | Path | None = None,
        filename: str | None = None,
        monitor: str | None = None,
        verbose: bool = False,
        save_last: bool | None = None,
        save_top_k: int = 1,
        save_best_only: bool = False,
        mode: str = "min",
        save_weights_only: bool = False,
        auto_insert_metric_name: bool = True,
        every_n_train_steps: int | None = None,
        train_time_interval: timedelta | None = None,
        every_n_epochs: int | None = None,
        save_on_train_epoch_end: bool | None = None,
        enable_version_counter: bool = True,
    ) -> None:
        if save_weights_only:
            filename = filename or f"{{epoch}}{self.CHECKPOINT_JOIN_CHAR}{{step}}"
            if _WEIGHTS not in filename:
                filename = f"{filename}{self.CHECKPOINT_JOIN_CHAR}{_WEIGHTS}"
            self.CHECKPOINT_NAME_LAST = f"{LAST}{self.CHECKPOINT_JOIN_CHAR}{_WEIGHTS}"
        super().__init__(
            dirpath=dirpath,
            filename=filename,
            monitor=monitor,
            verbose=verbose,
            save_last=False if save_best_only else save_last,
            save_top_k=1 if save_best_only else save_top_k,
            save_weights_only=save_weights_only,
            mode=mode,
            auto_insert_metric_name=auto_insert_metric_name,
            every_n_train_steps=every_n_train_steps,
            train_time_interval=train_time_interval,
            every_n_epochs=every_n_epochs,
            save_on_train_epoch_end=save_on_train_epoch_end,
            enable_version_counter=enable_version_counter,
        )

    @property
    def state_key(self) -> str:
        """The key of its state in a checkpoint, which includes the file name."""
        return f"{super().state_key}, filename={self.filename}"


def default_checkpoints(callbacks: Sequence[Callback], monitor: str) -> list[Callback]:
    """Return the checkpoint callbacks of a run, unless the configuration has one.

    Args:
        callbacks: The callbacks of the configuration.
        monitor: The metric for the best checkpoint; its name implies the direction.
    """
    if any(isinstance(callback, Checkpoint) for callback in callbacks):
        return []
    mode = direction(monitor) or "min"
    return [
        StateDictAwareModelCheckpoint(
            filename=filename,
            monitor=watched,
            mode=mode,
            save_weights_only=weights_only,
        )
        for weights_only in (False, True)
        for filename, watched in ((BEST, monitor), (LAST, None))
    ]
