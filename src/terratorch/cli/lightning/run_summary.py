"""The end of a training: the paths of its checkpoints, and how to resume after Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint


def print_checkpoints(trainer: Trainer) -> None:
    """Print the checkpoints of a training, after the progress bar is closed."""
    if trainer.is_global_zero:
        sys.stdout.write("".join(f"{line}\n" for line in _described(trainer)))


def print_how_to_resume(trainer: Trainer) -> None:
    """Print the last checkpoint of an interrupted training."""
    if not trainer.is_global_zero:
        return
    last = _newest(trainer)
    if last is None:
        sys.stderr.write("Interrupted. No checkpoint has been written yet.\n")
        return
    sys.stderr.write(
        f"Interrupted. The last checkpoint is {last}\n"
        f"To resume from it: terratorch fit -c CONFIG --ckpt_path {last}\n"
    )


def _checkpoints(trainer: Trainer) -> list[ModelCheckpoint]:
    return [
        callback
        for callback in trainer.checkpoint_callbacks
        if isinstance(callback, ModelCheckpoint)
    ]


def _newest(trainer: Trainer) -> Path | None:
    """Return the newest checkpoint that training can resume from."""
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
