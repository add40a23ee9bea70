"""Write predictions as they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from terratorch.errors import ConfigurationError


class PredictionWriter(BasePredictionWriter):
    """Write one file per image, batch by batch: nothing is kept in memory.

    Args:
        output_dir: The folder; None until `--predict_output_dir` sets it.
        out_dtype: The type of the values; None fits it to what is predicted.
        output_file_prefix: What the name of every file begins with.
    """

    def __init__(
        self,
        output_dir: str | Path | None = None,
        out_dtype: str | None = None,
        output_file_prefix: str | None = None,
    ) -> None:
        super().__init__("batch")
        self.output_dir = output_dir
        self.out_dtype = out_dtype
        self.output_file_prefix = output_file_prefix
        self.written: list[Path] = []

    def configure(
        self,
        output_dir: str | None = None,
        out_dtype: str | None = None,
        output_file_prefix: str | None = None,
    ) -> None:
        """Take the options of the command line; a folder of its own must not contradict them."""
        if output_dir and self.output_dir and Path(output_dir) != Path(self.output_dir):
            raise ConfigurationError(
                "predict_output_dir",
                f"{output_dir}, but the writer in trainer.callbacks says {self.output_dir}",
                "Give one of them.",
            )
        self.output_dir = self.output_dir or output_dir
        self.out_dtype = out_dtype or self.out_dtype
        self.output_file_prefix = output_file_prefix or self.output_file_prefix

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse to predict without a folder to write to."""
        super().setup(trainer, pl_module, stage)
        if stage == "predict" and self.output_dir is None:
            raise ConfigurationError(
                "predict_output_dir",
                "is missing",
                "Say where the maps go: --predict_output_dir DIR, or output_dir of the writer.",
            )

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write the prediction of a batch."""
        raise NotImplementedError  # wired below


class CustomWriter(PredictionWriter):
    """Write predictions to files; its public name and arguments.

    Args:
        output_dir: The folder; None takes `--predict_output_dir`.
        write_interval: `batch`, `epoch` or `batch_and_epoch`. All write each batch as it arrives:
            that the memory does not grow with the number of images.
    """

    def __init__(self, output_dir: str | None = None, write_interval: str = "epoch") -> None:
        if write_interval not in ("batch", "epoch", "batch_and_epoch"):
            raise ConfigurationError(
                "write_interval", repr(write_interval), "Use batch, epoch or batch_and_epoch."
            )
        super().__init__(output_dir)
