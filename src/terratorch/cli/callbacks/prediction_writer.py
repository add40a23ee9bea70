"""Write predictions as they arrive."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from terratorch.cli.prediction.processes import gathered, process_group
from terratorch.cli.prediction.products import (
    check_product_outputs,
    check_products,
    products_of,
)
from terratorch.cli.terminal.reporting import EXIT_MISTAKE
from terratorch.contracts.outputs import Content, OutputValue
from terratorch.contracts.prediction import Prediction
from terratorch.datasets.files import shortened
from terratorch.errors import ConfigurationError, TerraTorchError
from terratorch.prediction.maps.encoding import MapOptions
from terratorch.prediction.maps.folder import PredictionFolder
from terratorch.prediction.options import PredictionOptions
from terratorch.prediction.products.products import Products
from terratorch.prediction.products.stac import Provenance
from terratorch.prediction.scenes.scenes import ScenesReport

EXIT_INCOMPLETE = 3


class PredictionWriter(BasePredictionWriter):
    """Write one file per image, batch by batch: nothing is kept in memory.

    Args:
        output_dir: The folder; None until `--predict_output_dir` sets it.
        settings: What is written, and how.
    """

    def __init__(
        self, output_dir: str | Path | None = None, settings: PredictionOptions | None = None
    ) -> None:
        super().__init__("batch")
        self.settings = settings or PredictionOptions()
        self.output_dir = output_dir or self.settings.predict_output_dir
        self.written: dict[Path, None] = {}  # in order; a table of labels once
        self.report: ScenesReport | None = None  # where scenes were predicted tile by tile
        self.checkpoint: str | None = None  # that the weights are of
        self.provenance = Provenance()
        self.products = Products()
        self._folder: PredictionFolder | None = None
        self._processes: Any = None  # that share the images
        self._is_first = True

    def configure(self, options: Mapping[str, Any]) -> None:
        """Take the options of a run; a folder of its own must not contradict them.

        Args:
            options: Those that are given, by name: they come before the settings of the writer.

        Raises:
            ConfigurationError: If the writer names another folder.
        """
        given = options.get("predict_output_dir")
        if given and self.output_dir and Path(given) != Path(self.output_dir):
            raise ConfigurationError(
                "predict_output_dir",
                f"{given}, but the writer in trainer.callbacks says {self.output_dir}",
                "Give one of them.",
            )
        self.settings = dataclasses.replace(self.settings, **options)
        self.output_dir = self.output_dir or given

    @property
    def folder(self) -> PredictionFolder:
        """The folder, between start and end of the prediction."""
        assert self._folder is not None, "the folder is open from start to end of the prediction"
        return self._folder

    @property
    def map_options(self) -> MapOptions:
        """How maps are stored."""
        settings = self.settings
        return MapOptions(settings.out_dtype, settings.scores_dtype, settings.format or "gtiff")

    def check_outputs(
        self, type_: type[OutputValue], outputs: Iterable[Content], processes: int = 1
    ) -> None:
        """Refuse options that the outputs of a task make no use of.

        Args:
            type_: The type of the outputs.
            outputs: What the layers hold.
            processes: How many share the images.
        """
        if type_.per_image and processes > 1:
            raise ConfigurationError(
                "trainer.devices",
                f"{processes} processes, but labels of images are written as one table",
                "Use 1.",
            )
        outputs = list(outputs)
        check_product_outputs(self.settings, type_, outputs)
        self.map_options.check(outputs)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse to predict without a folder to write to, or what products need."""
        super().setup(trainer, pl_module, stage)
        check_products(self.settings, trainer.world_size)
        if stage == "predict" and self.output_dir is None:
            raise ConfigurationError(
                "predict_output_dir",
                "is missing",
                "Say where the maps go: --predict_output_dir DIR, or output_dir of the writer.",
            )

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the folder."""
        assert self.output_dir is not None, "setup() refuses to go on without a folder"
        self._processes, self._is_first = process_group(), trainer.is_global_zero
        self.products = products_of(self.settings, self.provenance)
        self._folder = PredictionFolder(
            self.output_dir, self.settings.output_file_prefix, self.map_options, self.products
        )
        self._folder.__enter__()  # left when the prediction ends, or fails

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
        """Write the prediction of a batch; scenes have been written already."""
        if isinstance(prediction, ScenesReport):
            self.report = prediction
            self.written.update(dict.fromkeys(prediction.written))
            return
        if not isinstance(prediction, Prediction):
            raise ConfigurationError(
                f"predict_step of {type(pl_module).__name__}",
                f"gives a {type(prediction).__name__}",
                "Return a terratorch.contracts.prediction.Prediction, or configure a writer of "
                "your own in trainer.callbacks.",
            )
        self.written.update(dict.fromkeys(self.folder.write(prediction)))

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the last files their final names, and hear what other processes did."""
        self._close(None)
        products = self.products
        own = (list(self.written), self.report, products.written, products.failures)
        everyone = gathered(own, self._processes)
        for written, report, made, failed in everyone[1:] if self._is_first else ():
            self.written.update(dict.fromkeys(written))
            products.written += made
            products.failures |= failed
            if self.report is not None and report is not None:
                self.report.add(report)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Remove what is not complete."""
        self._close(exception)

    def say_what_was_written(self) -> int:
        """Say how many files there are, and where; after the progress bar is gone.

        Returns:
            The exit code: 0, or 3 where some images have no map, or some files could not be made,
            or 2 where the model gave nothing but NaN. The first of several processes says it for
            all.
        """
        if not self._is_first:
            return 0
        scenes, products = self.report or ScenesReport(), self.products
        if scenes.nothing_was_to_do:
            files = f"{'all ' if len(scenes.skipped) > 1 else ''}{_files(len(scenes.skipped))}"
            sys.stdout.write(
                f"No new maps: those of {files} are in {self.output_dir} already; --overwrite "
                "makes them again\n"
            )
        else:
            figures = f" ({scenes.summary()})" if scenes.tiles else ""
            sys.stdout.write(f"{_files(len(self.written))} in {self.output_dir}{figures}\n")
            self._say_what_was_left_out(scenes)
        if products.written:
            kinds = ", ".join(sorted({path.suffix for path in products.written}))
            sys.stdout.write(f"{_files(len(products.written))} made from the maps ({kinds})\n")
        failures: dict[str, Mapping[Path, TerraTorchError]] = {
            "could not be read": scenes.unreadable,
            "without a map, as the model gave NaN or infinity": scenes.without_numbers,
            "could not be made from the maps, which are complete": products.failures,
        }
        for what, errors in failures.items():
            if errors:
                sys.stderr.write(f"{_files(len(errors))} {what}:\n")
                sys.stderr.writelines(f"  {error}\n" for error in errors.values())
        if scenes.is_of_no_use:
            return EXIT_MISTAKE
        return EXIT_INCOMPLETE if any(failures.values()) else 0

    def _say_what_was_left_out(self, report: ScenesReport) -> None:
        if report.skipped:
            sys.stdout.write(
                f"{_files(len(report.skipped))} left out, as the maps are there already; "
                "--overwrite makes them again\n"
            )
        if report.stale:
            names = shortened([path.name for path in report.stale], 3)
            sys.stdout.write(
                f"{_files(len(report.stale))} of an earlier run with other options left beside the "
                f"new maps: {names}\n"
            )
        if report.outside:
            sys.stdout.write(
                f"{_files(len(report.outside))} without a map, as nothing of them is wanted (area, "
                "valid_mask):\n"
            )
            sys.stdout.writelines(f"  {path}\n" for path in report.outside)

    def _close(self, error: BaseException | None) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.__exit__(None if error is None else type(error), error, None)


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


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
