"""Scores of classes and of values from counts and sums, for any number of resamples at once.

The definitions are those of `terratorch.metrics`, under the same names. They stand here in numpy
since a report is rendered without torch, and since resampling computes a thousand of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from terratorch.evaluation.evaluation import ChipScore

Array = NDArray[np.float64]


class ClassCounts(NamedTuple):
    """Counts of each class against the rest, `(..., C)`."""

    hits: Array
    true: Array  # how often the class is the target
    predicted: Array
    included: NDArray[np.bool_]  # `(C,)`, False for the ignored class

    @property
    def union(self) -> Array:
        """How often it is the target, predicted, or both."""
        return self.true + self.predicted - self.hits

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Whether it is the target or predicted anywhere."""
        return self.union > 0


def divide(numerator: Array, denominator: Array) -> Array:
    """Return the quotients, 0 where the denominator is."""
    return numerator / np.where(denominator == 0, 1.0, denominator)


def iou(counts: ClassCounts) -> Array:
    """Return the intersection over union of each class, 0 for the ignored one."""
    return divide(counts.hits, counts.union) * counts.included


def f1_score(counts: ClassCounts) -> Array:
    """Return the harmonic mean of precision and recall of each class."""
    return divide(2 * counts.hits, counts.true + counts.predicted)


def recall(counts: ClassCounts) -> Array:
    """Return how much of each class is found."""
    return divide(counts.hits, counts.true)


def precision(counts: ClassCounts) -> Array:
    """Return how much of what is predicted as a class is that class."""
    return divide(counts.hits, counts.predicted)


def mean_iou(counts: ClassCounts) -> Array:
    """Return the mean over the classes seen but the ignored one."""
    return _mean(iou(counts), counts.seen & counts.included)


def overall_iou(counts: ClassCounts) -> Array:
    """Return the intersections over the unions of all classes but the ignored one."""
    return divide((counts.hits * counts.included).sum(-1), (counts.union * counts.included).sum(-1))


def mean_f1(counts: ClassCounts) -> Array:
    """Return the mean over the classes seen."""
    return _mean(f1_score(counts), counts.seen)


def mean_recall(counts: ClassCounts) -> Array:
    """Return the mean over the classes seen."""
    return _mean(recall(counts), counts.seen)


def mean_precision(counts: ClassCounts) -> Array:
    """Return the mean over the classes seen."""
    return _mean(precision(counts), counts.seen)


def overall_accuracy(counts: ClassCounts) -> Array:
    """Return how much of all is right."""
    return divide(counts.hits.sum(-1), counts.true.sum(-1))


def _mean(values: Array, chosen: NDArray[np.bool_]) -> Array:
    return divide((values * chosen).sum(-1), chosen.sum(-1))


class ValueSums(NamedTuple):
    """Sums over the values that count, `(...)`; in the order of `ChipScore.sums`."""

    number: Array
    target: Array
    target_squared: Array
    absolute_error: Array
    squared_error: Array


def mean_absolute_error(sums: ValueSums) -> Array:
    """Return the mean absolute error."""
    return divide(sums.absolute_error, sums.number)


def mean_squared_error(sums: ValueSums) -> Array:
    """Return the mean squared error."""
    return divide(sums.squared_error, sums.number)


def root_mean_squared_error(sums: ValueSums) -> Array:
    """Return the root of the mean squared error."""
    return np.sqrt(mean_squared_error(sums))


def r2_score(sums: ValueSums) -> Array:
    """Return how much of the variance is explained; NaN where the target is constant."""
    variance = sums.target_squared - divide(sums.target**2, sums.number)
    constant = variance <= 0
    explained: Array = 1 - sums.squared_error / np.where(constant, np.nan, variance)
    return explained


ClassFunction = Callable[[ClassCounts], Array]
ValueFunction = Callable[[ValueSums], Array]

# What the tasks log, under their names: scores over all classes, best known first.
SEGMENTATION_SCORES: dict[str, ClassFunction] = {
    "mIoU": mean_iou,
    "Pixel_Accuracy": overall_accuracy,
    "F1_Score": mean_f1,
    "Accuracy": mean_recall,
    "mIoU_Micro": overall_iou,
}
CLASSIFICATION_SCORES: dict[str, ClassFunction] = {
    "Accuracy_Micro": overall_accuracy,
    "F1_Score": mean_f1,
    "Accuracy": mean_recall,
    "Precision": mean_precision,
}
REGRESSION_SCORES: dict[str, ValueFunction] = {
    "RMSE": root_mean_squared_error,
    "MAE": mean_absolute_error,
    "R2_Score": r2_score,
    "MSE": mean_squared_error,
}
# Scores of each class by the heading of their column.
CLASS_SCORES: dict[str, ClassFunction] = {
    "IoU": iou,
    "F1": f1_score,
    "Recall": recall,
    "Precision": precision,
}


def class_counts(stacked: Array, ignore_index: int | None) -> ClassCounts:
    """Take apart counts `(..., 3 * C)`, as `stacked_counts` gives them and sums of them."""
    classes = stacked.shape[-1] // 3
    hits, true, predicted = np.split(stacked, 3, axis=-1)
    included = np.ones(classes, dtype=bool)
    if ignore_index is not None and 0 <= ignore_index < classes:
        included[ignore_index] = False
    return ClassCounts(hits, true, predicted, included)


def stacked_counts(chips: Sequence[ChipScore], num_classes: int) -> Array:
    """Return hits, targets and predictions of each class, for each chip: `(N, 3 * C)`."""
    rows, cells, counts = _flat(chips)
    true, predicted = np.divmod(cells, num_classes)
    columns = (np.where(true == predicted, true, -1), true, predicted)  # hits, true, predicted
    stacked = np.zeros((len(chips), 3 * num_classes))
    for place, classes in enumerate(columns):
        chosen = classes >= 0
        index = rows[chosen] * num_classes + classes[chosen]
        sums = np.bincount(index, weights=counts[chosen], minlength=len(chips) * num_classes)
        stacked[:, place * num_classes : (place + 1) * num_classes] = sums.reshape(len(chips), -1)
    return stacked


def confusion_matrix(chips: Sequence[ChipScore], num_classes: int) -> NDArray[np.int64]:
    """Return the counts of all chips `(C, C)`, rows true and columns predicted."""
    _, cells, counts = _flat(chips)
    total = np.bincount(cells, weights=counts, minlength=num_classes**2)
    return total.astype(np.int64).reshape(num_classes, num_classes)


def _flat(
    chips: Sequence[ChipScore],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return for each cell of each chip: which chip, which cell, its count."""
    flat = [(row, *cell) for row, chip in enumerate(chips) for cell in chip.cells]
    rows, cells, counts = np.array(flat, dtype=np.int64).reshape(-1, 3).T
    return rows, cells, counts
