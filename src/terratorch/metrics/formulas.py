"""Scores as formulas of counts and sums, the one implementation for training and reports.

The arrays are torch tensors (a task's metrics, on its device) or numpy arrays (a report, for a
thousand resamples at once); this module imports neither. Class counts have the shape `(..., C)`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

Array: TypeAlias = Any  # a torch tensor or a numpy array; both have the methods used here

_NAN = float("nan")


class ClassCounts(NamedTuple):
    """Counts of each class against the rest, `(..., C)`."""

    hits: Array
    true: Array  # how often the class is the target
    predicted: Array
    included: Array  # False for the ignored class

    @property
    def union(self) -> Array:
        """How often the class is the target, predicted, or both."""
        return self.true + self.predicted - self.hits

    @property
    def seen(self) -> Array:
        """Whether the class is the target or predicted anywhere."""
        return self.union > 0


def class_counts(
    hits: Array, true: Array, predicted: Array, ignore_index: int | None = None
) -> ClassCounts:
    """Return counts `(..., C)` with the ignored class marked."""
    included = hits >= 0
    if ignore_index is not None and 0 <= ignore_index < hits.shape[-1]:
        included[..., ignore_index] = False
    return ClassCounts(hits, true, predicted, included)


def counts_of_matrix(matrix: Array, ignore_index: int | None = None) -> ClassCounts:
    """Return the counts of confusion matrices `(..., C, C)`, rows true and columns predicted."""
    return class_counts(matrix.diagonal(0, -2, -1), matrix.sum(-1), matrix.sum(-2), ignore_index)


def iou(counts: ClassCounts) -> Array:
    """Return the intersection over union of each class, 0 for the ignored one."""
    return divide(counts.hits, counts.union) * counts.included


def f1_score(counts: ClassCounts) -> Array:
    """Return the harmonic mean of precision and recall of each class."""
    return divide(2 * counts.hits, counts.true + counts.predicted)


def recall(counts: ClassCounts) -> Array:
    """Return the share of each class that is predicted as such."""
    return divide(counts.hits, counts.true)


def precision(counts: ClassCounts) -> Array:
    """Return the share of the predictions of each class that are right."""
    return divide(counts.hits, counts.predicted)


def mean_iou(counts: ClassCounts) -> Array:
    """Return the mean IoU of the classes seen, without the ignored one."""
    return mean_over(iou(counts), counts.seen & counts.included)


def overall_iou(counts: ClassCounts) -> Array:
    """Return the sum of intersections over the sum of unions, without the ignored class."""
    return divide((counts.hits * counts.included).sum(-1), (counts.union * counts.included).sum(-1))


def overall_accuracy(counts: ClassCounts) -> Array:
    """Return the share of all pixels or images that are right."""
    return divide(counts.hits.sum(-1), counts.true.sum(-1))


class ValueSums(NamedTuple):
    """Sums over the values with a target, each `(...)`."""

    number: Array
    target: Array
    target_squared: Array
    absolute_error: Array
    squared_error: Array


def mean_absolute_error(sums: ValueSums) -> Array:
    """Return the mean absolute error, NaN without values."""
    return sums.absolute_error / _positive(sums.number)


def mean_squared_error(sums: ValueSums) -> Array:
    """Return the mean squared error, NaN without values."""
    return sums.squared_error / _positive(sums.number)


def root_mean_squared_error(sums: ValueSums) -> Array:
    """Return the root of the mean squared error, NaN without values."""
    return mean_squared_error(sums) ** 0.5


def r2_score(sums: ValueSums) -> Array:
    """Return the explained share of the variance, NaN if the target is constant."""
    variance = sums.target_squared - sums.target**2 / _positive(sums.number)
    return 1 - sums.squared_error / _positive(variance)


def divide(numerator: Array, denominator: Array) -> Array:
    """Return the quotients, with 0 for a denominator of 0."""
    return numerator / _where(denominator == 0, 1, denominator)


def mean_over(values: Array, chosen: Array) -> Array:
    """Return the mean of the chosen values along the last axis, 0 if none is chosen."""
    return divide((values * chosen).sum(-1), chosen.sum(-1))


def mean_seen(score: ClassFormula, counts: ClassCounts) -> Array:
    """Return the mean of a score over the classes seen."""
    return mean_over(score(counts), counts.seen)


def _positive(values: Array) -> Array:
    """Return the values with NaN instead of those that are not above 0."""
    return _where(values > 0, values, _NAN)


def _where(condition: Array, values: Array | float, otherwise: Array | float) -> Array:
    """Call `where` of the package that the condition is from, torch or numpy."""
    package = sys.modules[type(condition).__module__.partition(".")[0]]
    chosen: Array = package.where(condition, values, otherwise)
    return chosen


ClassFormula = Callable[[ClassCounts], Array]
ValueFormula = Callable[[ValueSums], Array]

mean_recall: ClassFormula = partial(mean_seen, recall)

# The scores that tasks log, by their public names, the best known first.
SEGMENTATION: Mapping[str, ClassFormula] = {
    "mIoU": mean_iou,
    "Pixel_Accuracy": overall_accuracy,
    "F1_Score": partial(mean_seen, f1_score),
    "Accuracy": mean_recall,
    "mIoU_Micro": overall_iou,
}
CLASSIFICATION: Mapping[str, ClassFormula] = {
    "Accuracy_Micro": overall_accuracy,
    "F1_Score": partial(mean_seen, f1_score),
    "Accuracy": mean_recall,
    "Precision": partial(mean_seen, precision),
}
REGRESSION: Mapping[str, ValueFormula] = {
    "RMSE": root_mean_squared_error,
    "MAE": mean_absolute_error,
    "R2_Score": r2_score,
    "MSE": mean_squared_error,
}
