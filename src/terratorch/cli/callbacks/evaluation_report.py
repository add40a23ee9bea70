"""The report of a test: collected chip by chip, written when the test is over."""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from terratorch.contracts.model_description import description_of
from terratorch.contracts.outputs import OutputValue, Raster, Table
from terratorch.errors import DataError
from terratorch.evaluation.cards import ModelFacts, data_card, model_card, software_card
from terratorch.evaluation.caveats import caveats
from terratorch.evaluation.chip_scores import ScoredBatch
from terratorch.evaluation.chips import ChipCollector
from terratorch.evaluation.evaluation import EVALUATION_FILE, Card, Evaluation, SampleSet
from terratorch.evaluation.pages.page import write_page
from terratorch.evaluation.pages.report import render
from terratorch.evaluation.pages.report_search import (
    REPORT_FILE,
    REPORT_FOLDER,
    Report,
    training_log_of,
)
from terratorch.evaluation.predicted import PREDICTED, PredictionCollector
from terratorch.evaluation.redaction import command_of, without_secrets
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.batch_checks import batch_size_of, filenames_of
from terratorch.tasks.objectives.objective import Objective
from terratorch.tasks.objectives.supervised import SupervisedObjective
from terratorch.tasks.step_result import StepResult

logger = logging.getLogger(__name__)

Collector = ChipCollector | PredictionCollector

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
        self._collectors: list[Collector] | None = None

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
            collector = _collector(trainer, pl_module)
            if collector is None:
                return  # what was predicted is not known
            self._collectors = [copy.deepcopy(collector) for _ in pl_module.test_prefixes]
        _collect(self._collectors[dataloader_idx], pl_module.objective, outputs, batch)

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
        self, trainer: Trainer, task: TerraTorchTask, collectors: Sequence[Collector]
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
            cards=_cards(trainer, task, sets),
            configuration=self.configuration,
            notes=caveats(sets, trainer.limit_test_batches, trainer.world_size),
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


def _collector(trainer: Trainer, task: TerraTorchTask) -> Collector | None:
    """Return what collects a test set; None for outputs that no report shows."""
    objective, datamodule = task.objective, getattr(trainer, "datamodule", None)
    count = objective.num_classes
    names = list(task.settings.classes.names or getattr(datamodule, "class_names", None) or ())
    if count is not None and len(names) != count:
        names = [str(index) for index in range(count)]
    spec = getattr(datamodule, "input_spec", None)
    modality, rgb = (None, (0, 1, 2)) if spec is None else spec.shown_bands()
    if isinstance(objective, SupervisedObjective):
        kind = "regression" if count is None else _KINDS[objective.output_type]
        shown = names if count else []
        ignored, process = task.settings.loss.ignore_index, trainer.global_rank
        return ChipCollector(kind, shown, ignored, rgb, modality, process)
    kinds = (kind for kind, type_ in PREDICTED.items() if type_ is objective.output_type)
    kind = next(kinds, "")
    return PredictionCollector(kind, names, rgb, modality) if kind else None


def _collect(
    collector: Collector, objective: Objective, result: StepResult, batch: Mapping[str, Any]
) -> None:
    if isinstance(collector, PredictionCollector):
        if result.output is not None:
            names = filenames_of(batch) or collector.new_names(batch_size_of(batch))
            collector.add(objective.prediction(result.output, names), batch["image"])
        return
    assert isinstance(objective, SupervisedObjective), "_collector checks it"
    target = result.target
    valid = objective.valid(target)
    valid = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    names = filenames_of(batch) or collector.new_names(len(target))
    scored = ScoredBatch(names, result.output, result.decided, target, valid)
    collector.add(scored, batch["image"])


def _cards(trainer: Trainer, task: TerraTorchTask, sets: Sequence[SampleSet]) -> list[Card]:
    settings, datamodule = task.settings, getattr(trainer, "datamodule", None)
    sizes = [(weights.numel(), weights.requires_grad) for weights in task.parameters()]
    model = ModelFacts(
        task=type(task).__name__,
        network=type(task.model).__name__,
        described=description_of(task.model),
        factory=settings.model.factory,
        parameters=sum(size for size, _ in sizes),
        trained=sum(size for size, is_trained in sizes if is_trained),
        loss=settings.loss.loss,
        ignore_index=settings.loss.ignore_index,
        is_tiled=settings.tiles.testing,
        checkpoint=None if trainer.ckpt_path is None else str(trainer.ckpt_path),
    )
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return [
        model_card(model),
        data_card(
            None if datamodule is None else type(datamodule).__name__,
            getattr(datamodule, "input_spec", None),
            sets,
            task.objective.num_classes or 0,
        ),
        software_card(name, trainer.world_size, str(trainer.precision), command_of(sys.argv)),
    ]


def _gather(collectors: Sequence[Collector], processes: int) -> None:
    """Gather the chips of all processes in each of them."""
    if processes == 1:
        return
    for collector in collectors:
        states: list[Any] = [None] * processes
        torch.distributed.all_gather_object(states, collector.state())
        collector.merge(states)


def _sample_set(collector: Collector, prefix: str, metrics: Mapping[str, Any]) -> SampleSet:
    logged = {
        name.removeprefix(prefix): float(value)
        for name, value in metrics.items()
        if name.startswith(prefix)
    }
    return collector.sample_set(prefix.removeprefix("test/").rstrip("/"), logged)
