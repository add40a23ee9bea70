"""Class metrics for torchmetrics, and the collections that the tasks log.

All metrics of a collection except the boundary share one confusion matrix: one compute group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from terratorch.errors import ConfigurationError
from terratorch.metrics import formulas, functional
from terratorch.metrics.formulas import ClassFormula


class ConfusionMetric(Metric):
    """A metric computed from a confusion matrix.

    Args:
        num_classes: Number of classes.
        reduce: The formula, from `terratorch.metrics.formulas`.
        ignore_index: Target that is not counted; None counts all.
        class_names: Names of the classes if the formula gives a value for each; None for one value.
        name: Prefix of the class names, such as `IoU`.
        kwargs: Arguments of `torchmetrics.Metric`.
    """

    full_state_update = False
    confmat: Tensor

    def __init__(
        self,
        num_classes: int,
        reduce: ClassFormula,
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
        # Not in place: a state reset in inference mode cannot be changed in place outside of it.
        self.confmat = self.confmat + functional.confusion_matrix(
            prediction, target, self.num_classes, self.ignore_index
        )

    def compute(self) -> Tensor | dict[str, Tensor]:
        """Return the value, or one value per class by name."""
        values: Tensor = self.reduce(formulas.counts_of_matrix(self.confmat, self.ignore_index))
        if self.class_names is None:
            return values
        return {
            f"{self.name}_{label}": value
            for label, value in zip(self.class_names, values, strict=True)
        }


class BoundaryMeanIoU(Metric):
    """The intersection over union of class boundaries.

    A pixel is on the boundary of a class if the window of `2 * thickness + 1` pixels around it
    holds that class and another one. After https://arxiv.org/abs/2103.16562.

    Args:
        num_classes: Number of classes.
        thickness: Pixels on either side of a boundary that belong to it.
        ignore_index: Target of pixels that are not counted.
        average: `macro` for the mean of the classes with a boundary, `micro` for one ratio over
            all classes.
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
            return formulas.divide(intersection.sum(), union.sum())
        return formulas.mean_over(formulas.divide(intersection, union), union > 0)


# Scores of each class by their public names.
_SEGMENTATION_BY_CLASS = {"Class_Accuracy": formulas.recall, "IoU": formulas.iou}
_CLASSIFICATION_BY_CLASS = {"Class_Accuracy": formulas.recall, "Class_F1": formulas.f1_score}


def segmentation_metrics(
    num_classes: int, ignore_index: int | None, class_names: Sequence[str] | None
) -> MetricCollection:
    """Return the metrics of a semantic segmentation, under their public names."""
    metrics = _confusion_metrics(
        formulas.SEGMENTATION, _SEGMENTATION_BY_CLASS, num_classes, ignore_index, class_names
    )
    boundary = BoundaryMeanIoU(num_classes, ignore_index=ignore_index, include_background=False)
    groups = [list(metrics), ["Boundary_mIoU"]]
    return MetricCollection({**metrics, "Boundary_mIoU": boundary}, compute_groups=groups)


def classification_metrics(
    num_classes: int, ignore_index: int | None, class_names: Sequence[str] | None
) -> MetricCollection:
    """Return the metrics of a classification, under their public names."""
    single = {**formulas.CLASSIFICATION, "Recall": formulas.mean_recall}
    metrics = _confusion_metrics(
        single, _CLASSIFICATION_BY_CLASS, num_classes, ignore_index, class_names
    )
    return MetricCollection(metrics, compute_groups=[list(metrics)])


def _confusion_metrics(
    single: Mapping[str, ClassFormula],
    by_class: Mapping[str, ClassFormula],
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
