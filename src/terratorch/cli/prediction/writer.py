"""Write predictions as a Trainer makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from terratorch.cli.prediction.messages import print_report
from terratorch.cli.prediction.processes import gathered, process_group
from terratorch.contracts.model_description import description_of
from terratorch.contracts.prediction import Prediction
from terratorch.errors import ConfigurationError
from terratorch.prediction.map_products import build_products, map_options
from terratorch.prediction.options import PredictionOptions, missing_folder
from terratorch.prediction.outputs.folder import PredictionFolder
from terratorch.prediction.products.stac import Provenance
from terratorch.prediction.report import PredictionReport


class PredictionWriter(BasePredictionWriter):
    """Write one file per image, batch by batch, so that nothing is kept in memory.

    `terratorch predict` takes folder and settings from it, and uses it as a callback only if a
    Trainer runs the prediction.

    Args:
        output_dir: The folder; None takes `--predict_output_dir`.
        settings: What is written, and how.

    Attributes:
        report: What the prediction did.
        checkpoint: The file of the weights.
    """

    def __init__(
        self, output_dir: str | Path | None = None, settings: PredictionOptions | None = None
    ) -> None:
        super().__init__("batch")
        self.settings = settings or PredictionOptions()
        self.output_dir = output_dir or self.settings.predict_output_dir
        self.report = PredictionReport()
        self.checkpoint: str | None = None
        self._folder: PredictionFolder | None = None
        self._processes: Any = None  # that share the images
        self._is_first = True

    def configure(self, options: Mapping[str, Any]) -> None:
        """Apply the options of a run, which override the settings of the writer.

        Args:
            options: The options that are set, by name.

        Raises:
            ConfigurationError: If the writer names another folder.
        """
        folder = options.get("predict_output_dir")
        if folder and self.output_dir and Path(folder) != Path(self.output_dir):
            raise ConfigurationError(
                "predict_output_dir",
                f"{folder}, but the writer in trainer.callbacks has {self.output_dir}",
                "Set one of them.",
            )
        self.settings = replace(self.settings, **options)
        self.output_dir = self.output_dir or folder

    def check_folder(self) -> None:
        """Refuse to predict without a folder.

        Raises:
            ConfigurationError: If it is not set.
        """
        self.settings.check()
        if self.output_dir is None:
            raise missing_folder()

    def take(self, reports: Sequence[PredictionReport], is_first: bool) -> None:
        """Take the reports of all processes, which the first of them prints."""
        self.report, *others = reports
        for other in others:
            self.report.add(other)
        self._is_first = is_first

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the settings."""
        super().setup(trainer, pl_module, stage)
        if stage == "predict":
            self.check_folder()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the folder."""
        assert self.output_dir is not None, "setup checks it"
        self._processes = process_group()
        settings = self.settings
        products = build_products(settings, _provenance(pl_module, settings, self.checkpoint))
        prefix = settings.output_file_prefix
        self._folder = PredictionFolder(self.output_dir, prefix, map_options(settings), products)
        self._folder.__enter__()  # until the prediction ends, or fails

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
        if not isinstance(prediction, Prediction):
            raise ConfigurationError(
                f"predict_step of {type(pl_module).__name__}",
                f"returns a {type(prediction).__name__}",
                "Return a terratorch.contracts.prediction.Prediction, or add your own writer to "
                "trainer.callbacks.",
            )
        assert self._folder is not None, "it is open from start to end of the prediction"
        written = dict.fromkeys((*self.report.written, *self._folder.write(prediction)))
        self.report.written = list(written)  # a table once

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the last files their final names, and gather the reports of all processes."""
        assert self._folder is not None, "on_predict_start opens it"
        products = self._folder.products
        self._close(None)
        self.report.products, self.report.product_failures = products.written, products.failures
        self.take(gathered(self.report, self._processes), trainer.is_global_zero)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Remove incomplete files."""
        self._close(exception)

    def print_report(self) -> int:
        """Print what was written, in the first of several processes; return the exit code."""
        if not self._is_first:
            return 0
        return print_report(self.report, str(self.output_dir))

    def _close(self, error: BaseException | None) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.__exit__(None if error is None else type(error), error, None)


def _provenance(
    task: LightningModule, settings: PredictionOptions, checkpoint: str | None
) -> Provenance:
    files = (checkpoint, *(settings.further_ckpt_paths or ()))
    paths = tuple(Path(file) for file in files if file is not None)
    described = description_of(getattr(task, "model", None))
    return Provenance(
        task=type(task).__name__,
        model=None if described is None else described.backbone,
        checkpoints=tuple(path for path in paths if path.is_file()),
    )


class CustomWriter(PredictionWriter):
    """Write predictions to files; the public name and arguments.

    Args:
        output_dir: The folder; None takes `--predict_output_dir`.
        write_interval: `batch`, `epoch` or `batch_and_epoch`. All write each batch as it arrives,
            so that memory does not grow with the number of images.
    """

    def __init__(self, output_dir: str | None = None, write_interval: str = "epoch") -> None:
        if write_interval not in ("batch", "epoch", "batch_and_epoch"):
            raise ConfigurationError(
                "write_interval", repr(write_interval), "Use batch, epoch or batch_and_epoch."
            )
        super().__init__(output_dir)
