"""The figures of a test set with their confidence intervals, ready for a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from terratorch.evaluation.bootstrap import Interval, intervals, resampled_sums
from terratorch.evaluation.counts import confusion_matrix, stacked_counts
from terratorch.evaluation.evaluation import Evaluation, SampleSet
from terratorch.metrics import formulas
from terratorch.metrics.formulas import ClassCounts, ClassFormula, ValueFormula, ValueSums

FloatArray = NDArray[np.float64]
Sums = TypeVar("Sums", ClassCounts, ValueSums)

_FEWEST_CHIPS = 2  # that can be resampled
# Logged in single precision, computed here in double: relative and absolute tolerance.
_RELATIVE, _ABSOLUTE = 2e-4, 1e-6
_CLASS_FIGURES: Mapping[str, ClassFormula] = {
    "IoU": formulas.iou,
    "F1": formulas.f1_score,
    "Recall": formulas.recall,
    "Precision": formulas.precision,
}


@dataclass(frozen=True)
class Figure:
    """A score.

    Attributes:
        value: NaN if it is not defined.
        interval: Its 95 % confidence interval, None if the chips do not give one.
        logged: The value that the task logged, if it differs.
    """

    value: float
    interval: Interval | None = None
    logged: float | None = None


@dataclass(frozen=True)
class ClassRow:
    """The scores of a class.

    Attributes:
        name: Name of the class.
        figures: Its scores, by the heading of their column.
        true: Number of pixels, images or objects of this class.
        predicted: Number predicted as this class.
        ignored: Whether it is the ignored class.
    """

    name: str
    figures: dict[str, Figure]
    true: int
    predicted: int
    ignored: bool = False


@dataclass(frozen=True)
class Results:
    """All figures of a test set.

    Attributes:
        overall: Scores over everything, by the names of the task's metrics.
        classes: The scores of each class; empty for values.
        confusion: Counts `(C, C)`, rows true and columns predicted; None without classes.
        others: Logged metrics that cannot be computed from the chips' counts.
        resampled: Number of chips resampled for the intervals, 0 without intervals.
    """

    overall: dict[str, Figure]
    classes: list[ClassRow]
    confusion: NDArray[np.int64] | None
    others: dict[str, float]
    resampled: int


def value_results(
    table: Mapping[str, ValueFormula], evaluation: Evaluation, sample_set: SampleSet
) -> Results:
    """Return the figures of predicted values, named as in a table of formulas."""
    rows = _without_empty(np.array([chip.sums for chip in sample_set.chips], dtype=np.float64))
    resampled = _resampled(rows)
    samples = None if resampled is None else ValueSums(*resampled.T)
    overall = _figures(table, ValueSums(*rows.sum(axis=0)), samples, sample_set.logged)
    others = _others(sample_set.logged, overall)
    return Results(overall, [], None, others, 0 if samples is None else len(rows))


def class_results(
    table: Mapping[str, ClassFormula], evaluation: Evaluation, sample_set: SampleSet
) -> Results:
    """Return the figures of predicted classes, named as in a table of formulas."""
    names, ignored = evaluation.class_names, evaluation.ignore_index
    stacked = _without_empty(stacked_counts(sample_set.chips, len(names)))
    counts = _unstacked(stacked.sum(axis=0), ignored)
    resampled = _resampled(stacked)
    samples = None if resampled is None else _unstacked(resampled, ignored)
    overall = _figures(table, counts, samples, sample_set.logged)
    by_class = {
        heading: _class_figures(formula, counts, samples)
        for heading, formula in _CLASS_FIGURES.items()
    }
    rows = [
        ClassRow(
            name=name,
            figures={heading: figures[index] for heading, figures in by_class.items()},
            true=int(counts.true[index]),
            predicted=int(counts.predicted[index]),
            ignored=not counts.included[index],
        )
        for index, name in enumerate(names)
    ]
    confusion = confusion_matrix(sample_set.chips, len(names))
    others = _others(sample_set.logged, overall)
    return Results(overall, rows, confusion, others, 0 if samples is None else len(stacked))


def _unstacked(stacked: FloatArray, ignored: int | None) -> ClassCounts:
    hits, true, predicted = np.split(stacked, 3, axis=-1)
    return formulas.class_counts(hits, true, predicted, ignored)


def _without_empty(rows: FloatArray) -> FloatArray:
    """Drop chips without a label: a resample of these alone would have a score of 0."""
    return rows[rows.any(axis=1)]


def _resampled(rows: FloatArray) -> FloatArray | None:
    enough = len(rows) >= _FEWEST_CHIPS
    return resampled_sums(rows) if enough and np.isfinite(rows).all() else None


def _figures(
    table: Mapping[str, Callable[[Sums], FloatArray]],
    total: Sums,
    samples: Sums | None,
    logged: Mapping[str, float],
) -> dict[str, Figure]:
    figures = {}
    for name, formula in table.items():
        value = float(formula(total))
        interval = None if samples is None else intervals(formula(samples)[:, None])[0]
        figures[name] = Figure(value, interval, _if_different(logged.get(name), value))
    return figures


def _class_figures(
    formula: ClassFormula, counts: ClassCounts, samples: ClassCounts | None
) -> list[Figure]:
    """Return the score of each class, NaN for a class that does not occur or is ignored."""
    values = _occurring(formula, counts)
    ends: Sequence[Interval | None] = [None] * len(values)
    if samples is not None:
        ends = intervals(_occurring(formula, samples))
    return [Figure(float(value), interval) for value, interval in zip(values, ends, strict=True)]


def _occurring(formula: ClassFormula, counts: ClassCounts) -> FloatArray:
    return np.where(counts.seen & counts.included, formula(counts), np.nan)


def _if_different(logged: float | None, value: float) -> float | None:
    """Return the logged value if it is not the computed one."""
    if logged is None:
        return None
    same = np.isclose(logged, value, rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True)
    return None if same else logged


def _others(logged: Mapping[str, float], overall: Mapping[str, Figure]) -> dict[str, float]:
    """Return the logged metrics that no table shows, such as the loss."""
    by_class = ("IoU_", "Class_Accuracy_", "Class_F1_")
    same = {"Recall"} if "Accuracy" in overall else set()  # both are the mean recall
    return {
        name: value
        for name, value in logged.items()
        if name not in overall and name not in same and not name.startswith(by_class)
    }
