"""The stages of a run: metrics of each, checks at their start, what is logged at their end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

from lightning.pytorch import LightningModule
from torch import nn
from torchmetrics import MetricCollection

from terratorch.contracts.images import Images
from terratorch.contracts.input_spec import InputSpec
from terratorch.contracts.model_description import description_of
from terratorch.models.inputs import inputs_of_batch
from terratorch.tasks.band_checks import check_bands, check_channels
from terratorch.tasks.batch_checks import BatchChecks
from terratorch.tasks.epoch_checks import check_epoch, check_same_classes, check_test_names
from terratorch.tasks.monitors import check_callbacks, may_log_more, metric_names
from terratorch.tasks.objectives.objective import Objective
from terratorch.tasks.records import write_metrics
from terratorch.tasks.settings import TaskSettings
from terratorch.tasks.step_result import Batch
from terratorch.tasks.whole_scenes import SceneTiles

logger = logging.getLogger(__name__)


class StagedModule(LightningModule):
    """The part of a task that Lightning calls around its steps.

    Attributes:
        settings: The settings of the task.
        objective: What is learned.
        checks: What the batches of each stage held.
        scene_tiles: How validation and tests cut large images.
        input_spec: How images are read: from the data module, or from the checkpoint.
        fitted_chip: Height and width of the largest images that a fit ran whole, if known.
        fitted_facts: The facts that the model took in training; None if not known.
        test_prefixes: What the names of the metrics of each test set start with.
    """

    settings: TaskSettings
    objective: Objective
    model: nn.Module
    criterion: nn.Module
    model_by_name: bool
    input_spec: InputSpec | None
    fitted_facts: set[str] | None
    checks: BatchChecks
    scene_tiles: SceneTiles
    fitted_chip: tuple[int, int] | None
    train_metrics: MetricCollection
    val_metrics: MetricCollection
    test_metrics: Sequence[MetricCollection]
    test_prefixes: list[str]

    def configure_metrics(self) -> None:
        """Build the metrics of each stage, and of each named test set."""
        metrics = self.objective.metrics()
        self.train_metrics = metrics.clone(prefix="train/")
        self.val_metrics = metrics.clone(prefix="val/")
        self._name_tests(self.settings.reports.test_names)

    def _name_tests(self, names: Sequence[str] | None) -> None:
        self.test_prefixes = ["test/"] if names is None else [f"test/{name}/" for name in names]
        metrics = [self.val_metrics.clone(prefix=prefix) for prefix in self.test_prefixes]
        self.test_metrics = cast("Sequence[MetricCollection]", nn.ModuleList(metrics))

    def read_inputs(self, batch: Batch) -> tuple[Images, dict[str, object]]:
        """Return the images of a batch, and what else the model takes by keyword."""
        check_channels(batch["image"], self.model)
        images, facts = inputs_of_batch(self.model, self._spec_of_batches(), batch)
        if self.training and self._trainer is not None:
            self.fitted_facts = (self.fitted_facts or set()) | facts.keys()
        return images, facts

    def _spec_of_batches(self) -> InputSpec | None:
        """Return how the batches were read, with the facts that the model was trained with."""
        spec = getattr(getattr(self._trainer, "datamodule", None), "input_spec", None)
        if not isinstance(spec, InputSpec):
            return self.input_spec
        is_trained = self._trainer is not None and not self._trainer.training
        return spec.with_facts(self.fitted_facts) if is_trained else spec

    def restore_inputs(
        self, input_spec: InputSpec | None, chip_size: tuple[int, int] | None
    ) -> None:
        """Keep what a checkpoint stores about the images that it was trained on."""
        self.input_spec, self.fitted_chip = input_spec, chip_size
        facts = None if input_spec is None else input_spec.facts
        self.fitted_facts = None if facts is None else set(facts)

    def setup(self, stage: str) -> None:
        """Check that the data and the model agree on classes and bands."""
        datamodule = getattr(self.trainer, "datamodule", None)
        check_bands(datamodule, self.model, stage)
        if stage != "predict":
            check_same_classes(datamodule, self.objective.num_classes)
        self.scene_tiles.reset()

    def on_fit_start(self) -> None:
        """Check that callbacks monitor metrics that exist, in the right direction."""
        check_callbacks(self.trainer, self._logged_names())
        if self.trainer.ckpt_path is None:  # a resumed fit keeps its chip size
            self.fitted_chip = None

    def _logged_names(self) -> set[str] | None:
        """Return the names of all metrics; None if others may be logged too."""
        described = description_of(self.model)
        with_heads = self.settings.model.auxiliary_heads or (described and described.aux_heads)
        if with_heads or not self.model_by_name:
            return None
        if may_log_more(self.trainer, self, self.criterion):
            return None
        return set(metric_names(self.criterion, (self.train_metrics, self.val_metrics)))

    def on_train_start(self) -> None:
        """Reset the tiles of the sanity check, which ran before any chip was seen."""
        self.scene_tiles.reset()

    def on_train_epoch_end(self) -> None:
        """Log the metrics of an epoch."""
        self._finish(self.train_metrics, "train/")

    def on_validation_start(self) -> None:
        """Check that training saw a target, before a checkpoint is chosen by this validation."""
        if self.trainer.is_last_batch:
            check_epoch(self.trainer, self.checks, "train/", self.settings.loss.ignore_index)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of a validation."""
        self._finish(self.val_metrics, "val/")

    def on_test_start(self) -> None:
        """Check that each test set has a name; without names, number them."""
        count = len(self.trainer.num_test_batches)
        names = self.settings.reports.test_names
        check_test_names(names, count)
        if names is None and count != len(self.test_prefixes):
            self._name_tests(None if count == 1 else [str(index) for index in range(count)])
            cast("nn.ModuleList", self.test_metrics).to(self.device)

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the test sets."""
        for metrics, prefix in zip(self.test_metrics, self.test_prefixes, strict=True):
            self._finish(metrics, prefix)

    def on_test_end(self) -> None:
        """Write the metrics to the file that the settings name."""
        path = self.settings.reports.metrics_path
        if path is not None and self.trainer.is_global_zero:
            logged = self.trainer.callback_metrics
            values = {
                name: float(value) for name, value in logged.items() if name.startswith("test/")
            }
            logger.info("test metrics: %s", write_metrics(values, path))

    def _finish(self, metrics: MetricCollection, stage: str) -> None:
        check_epoch(self.trainer, self.checks, stage, self.settings.loss.ignore_index)
        self.checks.finish(stage)
        self.log_dict(metrics.compute(), add_dataloader_idx=False)
        metrics.reset()
