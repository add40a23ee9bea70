"""Classification: a class for each image."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar

from torch import nn

from terratorch.contracts.outputs import Content, OutputValue, Table
from terratorch.contracts.prediction import layers_of
from terratorch.losses.classes import ClassLoss
from terratorch.tasks.objectives.classes import ClassObjective
from terratorch.tasks.settings import PATH

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

logger = logging.getLogger(__name__)


class ClassificationObjective(ClassObjective):
    """Learn a class for each image from `label` `(B,)`."""

    task = "classification"
    output_type: ClassVar[type[OutputValue]] = Table
    target_key: ClassVar[str] = "label"

    def metrics(self) -> MetricCollection:
        """Return the metrics of a classification."""
        from terratorch.metrics.classes import classification_metrics

        settings = self.settings
        return classification_metrics(
            self.num_classes, settings.loss.ignore_index, settings.classes.names
        )

    def default_layers(self) -> dict[str, Content]:
        """Return the class, and the probability of each."""
        return layers_of([Content.CLASSES, Content.PROBABILITIES])

    def build_loss(self, name: str) -> nn.Module:
        """Return the loss of this name, and warn if it counts the ignored label.

        `focal` never ignores a label, `jaccard` only one that is not a class: people compare losses
        with those of earlier runs, so both stay as they were.
        """
        ignored = self.settings.loss.ignore_index
        is_class = ignored is not None and 0 <= ignored < self.num_classes
        if name == "focal" or (name == "jaccard" and is_class):
            if is_class:
                logger.warning("%s.ignore_index: the loss %r counts %s", PATH, name, ignored)
            ignored = None
        return ClassLoss(name, ignored, self.settings.classes.weights)
