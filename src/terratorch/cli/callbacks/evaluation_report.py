"""The report of a test: collected chip by chip, written when the test is over."""

from __future__ import annotations

import logging
import math
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from terratorch.cli.callbacks.report_cards import SECRET, cards_of
from terratorch.contracts.outputs import OutputValue, Raster, Table
from terratorch.errors import DataError
from terratorch.evaluation.chip_scores import ScoredBatch
from terratorch.evaluation.chips import ChipCollector
from terratorch.evaluation.evaluation import EVALUATION_FILE, Evaluation, SampleSet
from terratorch.evaluation.pages.page import write_page
from terratorch.evaluation.pages.report import render
from terratorch.evaluation.pages.report_search import (
    REPORT_FILE,
    REPORT_FOLDER,
    Report,
    training_log_of,
)
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.batch_checks import filenames_of
from terratorch.tasks.step_result import StepResult

logger = logging.getLogger(__name__)

_SECRET = re.compile(rf"(?im)^(\s*(?:- )?[\w-]*(?:{SECRET})[\w-]*:)[ \t]+\S.*$")

_KINDS: dict[type[OutputValue], str] = {
    Raster: "segmentation",
    Table: "classification",
}


class EvaluationReport(Callback):
    """Write `report/report.html` and `report/evaluation.json` into the folder of a test.

    Only the counts of each chip are kept, and thumbnails of a few, so memory hardly grows with the
    test set.

    Args:
        configuration: The configuration of the run as YAML, shown in the report.
        folder: The folder of the two files; by default `report` in the folder of the logger, or in
            `default_root_dir` without a logger.
    """

    def __init__(self, configuration: str = "", folder: str | Path | None = None) -> None:
        self.configuration = configuration
        self.folder = folder
        self.written: Path | None = None
        self._collectors: list[ChipCollector] | None = None

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget an earlier test."""
        self.written, self._collectors = None, None

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count the chips of a batch."""
        if not isinstance(pl_module, TerraTorchTask) or not isinstance(outputs, StepResult):
            return  # a user's own module, whose targets are not known
        if self._collectors is None:
            self._collectors = [_collector(trainer, pl_module) for _ in pl_module.test_prefixes]
        collector = self._collectors[dataloader_idx]
        target = outputs.target
        valid = pl_module.valid_targets(target)
        valid = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
        names = filenames_of(batch) or collector.new_names(len(target))
        scored = ScoredBatch(names, outputs.output, outputs.decided, target, valid)
        collector.add(scored, batch["image"])

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the report; if that fails, warn and keep the result of the test."""
        folder = Path(self.folder or Path(trainer.log_dir or ".", REPORT_FOLDER))
        if self._collectors is None or getattr(trainer, "fast_dev_run", False):
            return
        _gather(self._collectors, trainer.world_size)
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, TerraTorchTask)
        evaluation = self._evaluation(trainer, pl_module, self._collectors)
        try:
            write_page(folder / EVALUATION_FILE, evaluation.to_json())
            report = Report(evaluation, training_log_of(evaluation.checkpoint))
            self.written = write_page(folder / REPORT_FILE, render(report))
        except DataError as error:
            logger.warning("No report was written: %s", error)
        self._collectors = None

    def _evaluation(
        self, trainer: Trainer, task: TerraTorchTask, collectors: Sequence[ChipCollector]
    ) -> Evaluation:
        first = collectors[0]
        sets = [
            _sample_set(collector, prefix, trainer.callback_metrics)
            for collector, prefix in zip(collectors, task.test_prefixes, strict=True)
        ]
        checkpoint = trainer.ckpt_path
        return Evaluation(
            kind=first.kind,
            class_names=list(first.class_names),
            ignore_index=first.ignore_index,
            sets=sets,
            created=datetime.now().astimezone().isoformat(timespec="seconds"),
            checkpoint=None if checkpoint is None else str(Path(checkpoint).absolute()),
            cards=cards_of(trainer, task, sets),
            configuration=self.configuration,
            notes=_notes(trainer, sets),
        )


def default_report(callbacks: Sequence[Callback], configuration: str) -> list[Callback]:
    """Return the callback of a test, none if the user configured one.

    Args:
        callbacks: The callbacks of the configuration.
        configuration: The configuration as YAML.
    """
    if any(isinstance(callback, EvaluationReport) for callback in callbacks):
        return []
    return [EvaluationReport(without_secrets(configuration))]


def say_where_reports_are(trainer: Trainer) -> None:
    """Print the paths of the reports of a test, once the progress bar is gone."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined] # it has them
        if isinstance(callback, EvaluationReport) and callback.written is not None:
            sys.stdout.write(f"report: {callback.written}\n")


def without_secrets(configuration: str) -> str:
    """Return a configuration without the values of keys such as `api_key`."""
    return _SECRET.sub(r"\1 (not shown)", configuration)


def _collector(trainer: Trainer, task: TerraTorchTask) -> ChipCollector:
    datamodule = getattr(trainer, "datamodule", None)
    count = task.num_classes
    names = task.settings.class_names or getattr(datamodule, "class_names", None)
    if count is not None and len(names or ()) != count:
        names = [str(index) for index in range(count)]
    spec = getattr(datamodule, "input_spec", None)
    modality, rgb = (None, (0, 1, 2)) if spec is None else spec.shown_bands()
    kind = "regression" if count is None else _KINDS[task.output_type]
    shown = list(names or ()) if count else []
    ignored, process = task.settings.ignore_index, trainer.global_rank
    return ChipCollector(kind, shown, ignored, rgb, modality, process)


def _gather(collectors: Sequence[ChipCollector], processes: int) -> None:
    """Gather the chips of all processes in each of them."""
    if processes == 1:
        return
    for collector in collectors:
        parts: list[Any] = [None] * processes
        torch.distributed.all_gather_object(parts, (collector.chips, collector.keeper))
        collector.chips = [chip for chips, _ in parts for chip in chips]
        (_, collector.keeper), *others = parts
        for _, keeper in others:
            collector.keeper.merge(keeper)


def _sample_set(collector: ChipCollector, prefix: str, metrics: Mapping[str, Any]) -> SampleSet:
    logged = {
        name.removeprefix(prefix): float(value)
        for name, value in metrics.items()
        if name.startswith(prefix)
    }
    return collector.sample_set(prefix.removeprefix("test/").rstrip("/"), logged)


def _notes(trainer: Trainer, sets: Sequence[SampleSet]) -> list[str]:
    """Return caveats about the figures."""
    notes = []
    limit = trainer.limit_test_batches
    if isinstance(limit, int) or limit < 1:  # 1 is one batch, 1.0 is all of them
        notes.append(f"trainer.limit_test_batches is {limit}: only some of the chips were tested.")
    for sample_set in sets:
        of = f" of {sample_set.name}" if sample_set.name else ""
        names = [chip.filename for chip in sample_set.chips]
        twice = len(names) - len(set(names))
        if twice:
            notes.append(
                f"{_chips(twice)}{of} counted twice, so that each process has the same number; "
                "test with trainer.devices: 1 for exact figures."
                if trainer.world_size > 1
                else f"{_chips(twice)}{of} tested more than once."
            )
        empty = sum(chip.score != chip.score for chip in sample_set.chips)
        if empty:
            notes.append(f"{_chips(empty)}{of} without a label.")
        diverged = sum(math.isinf(chip.score) for chip in sample_set.chips)
        if diverged:
            notes.append(f"{_chips(diverged)}{of} with predictions that are not finite.")
    return notes


def _chips(count: int) -> str:
    return f"{count} chip{'' if count == 1 else 's'}"
