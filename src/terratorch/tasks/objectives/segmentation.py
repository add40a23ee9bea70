"""Semantic segmentation: a class for each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terratorch.tasks.objectives.classes import ClassObjective

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


class SegmentationObjective(ClassObjective):
    """Learn a class for each pixel from `mask` `(B, H, W)`."""

    task = "segmentation"

    def metrics(self) -> MetricCollection:
        """Return the metrics of a segmentation."""
        from terratorch.metrics.classes import segmentation_metrics

        settings = self.settings
        return segmentation_metrics(
            self.num_classes, settings.loss.ignore_index, settings.classes.names
        )
