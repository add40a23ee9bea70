"""The end of a training: where its checkpoints are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint


class RunSummary(Callback):
    """Say where the checkpoints are when training ends, and after Ctrl-C how to go on."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Name the checkpoints that were written."""
        if trainer.is_global_zero:
            _write(sys.stdout, *_described(trainer))

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Name the last checkpoint after Ctrl-C."""
        if not (isinstance(exception, KeyboardInterrupt) and trainer.is_global_zero):
            return
        last = _newest(trainer)
        if last is None:
            _write(sys.stderr, "Interrupted. No checkpoint had been written yet.")
        else:
            _write(
                sys.stderr,
                f"Interrupted. The last checkpoint is {last}",
                f"To go on from there: terratorch fit -c CONFIG --ckpt_path {last}",
            )


def _write(stream: TextIO, *lines: str) -> None:
    for line in lines:
        stream.write(f"{line}\n")
    stream.flush()


def _checkpoints(trainer: Trainer) -> list[ModelCheckpoint]:
    return [
        callback
        for callback in trainer.checkpoint_callbacks
        if isinstance(callback, ModelCheckpoint)
    ]


def _newest(trainer: Trainer) -> Path | None:
    """Return the newest checkpoint that training can go on from."""
    paths = {
        Path(path)
        for callback in _checkpoints(trainer)
        if not callback.save_weights_only
        for path in (callback.best_model_path, callback.last_model_path)
        if path and Path(path).exists()
    }
    return max(paths, key=lambda path: path.stat().st_mtime_ns, default=None)


def _described(trainer: Trainer) -> list[str]:
    lines = []
    for callback in _checkpoints(trainer):
        kind = "weights only" if callback.save_weights_only else "checkpoint"
        if callback.best_model_path:
            score = callback.best_model_score
            of = f" ({callback.monitor} {float(score):.4g})" if score is not None else ""
            which = "best" if callback.monitor else "last"
            lines.append(f"{which} {kind}{of}: {callback.best_model_path}")
        if callback.last_model_path:
            lines.append(f"last {kind}: {callback.last_model_path}")
    return lines
