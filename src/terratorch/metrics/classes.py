"""Metrics over classes as torchmetrics, and the collections of the tasks.

All metrics of a collection but the boundary share one confusion matrix: one compute group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from terratorch.errors import ConfigurationError
from terratorch.metrics import functional
from terratorch.metrics.functional import Counts

Reduce = Callable[["ConfusionMetric", Counts], Tensor]


class ConfusionMetric(Metric):
    """A metric that is read from a confusion matrix.

    Args:
        num_classes: How many classes there are.
        reduce: What is read from it, one of the functions below.
        ignore_index: The target that is left out; None where none is.
        class_names: Names of the classes for a metric of each class; None for one number.
        name: What the names of the classes are put behind, such as `IoU`.
        kwargs: Arguments of `torchmetrics.Metric`.
    """

    full_state_update = False
    confmat: Tensor

    def __init__(
        self,
        num_classes: int,
        reduce: Reduce,
        ignore_index: int | None = None,
        class_names: Sequence[str] | None = None,
        name: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.reduce = reduce
        self.ignore_index = ignore_index
        self.class_names = class_names
        self.name = name
        zeros = torch.zeros(num_classes, num_classes, dtype=torch.long)
        self.add_state("confmat", zeros, dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count class ids `(B, ...)` against those of the target `(B, ...)`."""
        # Not in place: a state that was reset in inference mode cannot be changed outside of it.
        self.confmat = self.confmat + functional.confusion_matrix(
            prediction, target, self.num_classes, self.ignore_index
        )

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the number, or one for each class by name."""
        values = self.reduce(self, functional.counts_of(self.confmat))
        if self.class_names is None:
            return values
        return {
            f"{self.name}_{label}": value
            for label, value in zip(self.class_names, values, strict=True)
        }

    def not_ignored(self, counts: Counts) -> Tensor:
        """Return True for classes that are seen and are not the ignored one."""
        chosen = counts.seen
        if self.ignore_index is not None and 0 <= self.ignore_index < self.num_classes:
            chosen[self.ignore_index] = False
        return chosen


def mean_recall(metric: ConfusionMetric, counts: Counts) -> Tensor:
    """Return the recall, averaged over the classes seen."""
    return functional.mean_over(functional.recall(counts), counts.seen)


def mean_precision(metric: ConfusionMetric, counts: Counts) -> Tensor:
    """Return the precision, averaged over the classes seen."""
    return functional.mean_over(functional.precision(counts), counts.seen)


def mean_f1(metric: ConfusionMetric, counts: Counts) -> Tensor:
    """Return the F1 score, averaged over the classes seen."""
    return functional.mean_over(functional.f1_score(counts), counts.seen)


def overall_accuracy(metric: ConfusionMetric, counts: Counts) -> Tensor:
    """Return how much of all is right."""
    hits = counts.hits.sum()
    return functional.divide(hits, hits + counts.false_negatives.sum())


def class_recall(metric: ConfusionMetric, counts: Counts) -> Tensor:
    """Return the recall of each class."""
    return functional.recall(counts)


def class_f1(metric: ConfusionMetric, counts: Counts) -> Tensor:
    """Return the F1 score of each class."""
    return functional.f1_score(counts)


def class_iou(metric: ConfusionMetric, counts: Counts) -> Tensor:
    """Return the intersection over union of each class, 0 for the ignored one."""
    return functional.intersection_over_union(counts) * metric.not_ignored(counts)


def mean_iou(metric: ConfusionMetric, counts: Counts) -> Tensor:
    """Return the intersection over union, averaged over the classes seen but the ignored one."""
    chosen = metric.not_ignored(counts)
    return functional.mean_over(functional.intersection_over_union(counts), chosen)


def overall_iou(metric: ConfusionMetric, counts: Counts) -> Tensor:
    """Return the intersections over the unions of all classes but the ignored one."""
    chosen = metric.not_ignored(counts)
    union = counts.hits + counts.false_positives + counts.false_negatives
    return functional.divide((counts.hits * chosen).sum(), (union * chosen).sum())


class BoundaryMeanIoU(Metric):
    """The intersection over union of the boundaries of the classes.

    A pixel is on the boundary of a class if the window of `2 * thickness + 1` pixels around it
    holds that class and another one. After https://arxiv.org/abs/2103.16562.

    Args:
        num_classes: How many classes there are.
        thickness: Pixels on either side of a boundary that belong to it.
        ignore_index: Pixels with this target are not counted.
        average: `macro` for the mean over the classes that have a boundary, `micro` for one ratio
            over all.
        include_background: Whether class 0 counts.
        kwargs: Arguments of `torchmetrics.Metric`.
    """

    full_state_update = False
    higher_is_better = True
    averages: ClassVar[tuple[str, ...]] = ("macro", "micro")
    intersection: Tensor
    union: Tensor

    def __init__(
        self,
        num_classes: int,
        thickness: int = 2,
        ignore_index: int | None = None,
        average: str = "macro",
        include_background: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if average not in self.averages:
            raise ConfigurationError("average", f"{average!r}", f"Use one of {self.averages}.")
        self.num_classes = num_classes
        self.thickness = thickness
        self.ignore_index = ignore_index
        self.average = average
        self.include_background = include_background
        for state in ("intersection", "union"):
            zeros = torch.zeros(num_classes, dtype=torch.long)
            self.add_state(state, zeros, dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count class ids `(B, H, W)` against those of the target `(B, H, W)`."""
        intersection, union = functional.boundary_counts(
            prediction, target, self.num_classes, self.thickness, self.ignore_index
        )
        self.intersection = self.intersection + intersection
        self.union = self.union + union

    def compute(self) -> Tensor:
        """Return the intersection over union of the boundaries."""
        first = 0 if self.include_background else 1
        intersection, union = self.intersection[first:], self.union[first:]
        if self.average == "micro":
            return functional.divide(intersection.sum(), union.sum())
        return functional.mean_over(functional.divide(intersection, union), union > 0)


# Public names of metrics with one number, and of those with a number for each class.
_SEGMENTATION: dict[str, Reduce] = {
    "Accuracy": mean_recall,
    "F1_Score": mean_f1,
    "Pixel_Accuracy": overall_accuracy,
    "mIoU": mean_iou,
    "mIoU_Micro": overall_iou,
}
_SEGMENTATION_BY_CLASS: dict[str, Reduce] = {"Class_Accuracy": class_recall, "IoU": class_iou}
_CLASSIFICATION: dict[str, Reduce] = {
    "Accuracy": mean_recall,
    "Accuracy_Micro": overall_accuracy,
    "F1_Score": mean_f1,
    "Precision": mean_precision,
    "Recall": mean_recall,
}
_CLASSIFICATION_BY_CLASS: dict[str, Reduce] = {
    "Class_Accuracy": class_recall,
    "Class_F1": class_f1,
}


def segmentation_metrics(
    num_classes: int, ignore_index: int | None, class_names: Sequence[str] | None
) -> MetricCollection:
    """Return the metrics of a semantic segmentation, under their public names."""
    metrics = _confusion_metrics(
        _SEGMENTATION, _SEGMENTATION_BY_CLASS, num_classes, ignore_index, class_names
    )
    boundary = BoundaryMeanIoU(num_classes, ignore_index=ignore_index, include_background=False)
    groups = [list(metrics), ["Boundary_mIoU"]]
    return MetricCollection({**metrics, "Boundary_mIoU": boundary}, compute_groups=groups)


def classification_metrics(
    num_classes: int, ignore_index: int | None, class_names: Sequence[str] | None
) -> MetricCollection:
    """Return the metrics of a classification, under their public names."""
    metrics = _confusion_metrics(
        _CLASSIFICATION, _CLASSIFICATION_BY_CLASS, num_classes, ignore_index, class_names
    )
    return MetricCollection(metrics, compute_groups=[list(metrics)])


def _confusion_metrics(
    single: dict[str, Reduce],
    by_class: dict[str, Reduce],
    num_classes: int,
    ignore_index: int | None,
    class_names: Sequence[str] | None,
) -> dict[str, Metric | MetricCollection]:
    labels = list(class_names) if class_names else [str(index) for index in range(num_classes)]
    metrics: dict[str, Metric | MetricCollection] = {
        name: ConfusionMetric(num_classes, reduce, ignore_index) for name, reduce in single.items()
    }
    for name, reduce in by_class.items():
        metrics[name] = ConfusionMetric(num_classes, reduce, ignore_index, labels, name)
    return metrics
