"""The figures of a test set with their confidence intervals, ready for a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terratorch.evaluation import scores
from terratorch.evaluation.bootstrap import Interval, intervals, resampled_sums
from terratorch.evaluation.evaluation import ChipScore, Evaluation, Kind, SampleSet

# Of fewer chips there is nothing to resample.
_FEWEST_CHIPS = 2
# What was logged in single precision, and summed up here in double, relatively and near 0.
_SAME, _NOTHING = 2e-4, 1e-6


@dataclass(frozen=True)
class Figure:
    """A score.

    Attributes:
        value: NaN where it is not defined.
        interval: Of 95 % confidence; None where it cannot be known from the chips.
        logged: What the task logged, where that is another number.
    """

    value: float
    interval: Interval | None = None
    logged: float | None = None


@dataclass(frozen=True)
class ClassRow:
    """The scores of a class.

    Attributes:
        name: Of the class.
        figures: Its scores, by the heading of their column.
        true: How many pixels or images are of this class.
        predicted: How many are predicted as this class.
        ignored: Whether it is the class that does not count.
    """

    name: str
    figures: dict[str, Figure]
    true: int
    predicted: int
    ignored: bool


@dataclass(frozen=True)
class Results:
    """All figures of a test set.

    Attributes:
        overall: Scores over everything, under the names of the task's metrics.
        classes: The scores of each class; empty for values.
        confusion: Counts `(C, C)`, rows true and columns predicted; None for values.
        others: Metrics that the task logged and that do not follow from the chips' counts.
        resampled: How many chips were resampled for the intervals, 0 where there are none.
    """

    overall: dict[str, Figure]
    classes: list[ClassRow]
    confusion: NDArray[np.int64] | None
    others: dict[str, float]
    resampled: int


def results_of(evaluation: Evaluation, sample_set: SampleSet) -> Results:
    """Return the figures of a test set."""
    if evaluation.kind is Kind.REGRESSION:
        return _value_results(sample_set)
    return _class_results(evaluation, sample_set)


def _value_results(sample_set: SampleSet) -> Results:
    rows = _counted(np.array([chip.sums for chip in sample_set.chips], dtype=np.float64))
    total = scores.ValueSums(*rows.sum(axis=0))
    resampled = _resampled(rows)
    samples = None if resampled is None else scores.ValueSums(*resampled.T)
    overall = _figures(scores.REGRESSION_SCORES, total, samples, sample_set.logged)
    return Results(
        overall, [], None, _others(sample_set.logged, overall), 0 if samples is None else len(rows)
    )


def _class_results(evaluation: Evaluation, sample_set: SampleSet) -> Results:
    names, ignored = evaluation.class_names, evaluation.ignore_index
    stacked = _counted(scores.stacked_counts(sample_set.chips, len(names)))
    counts = scores.class_counts(stacked.sum(axis=0), ignored)
    resampled = _resampled(stacked)
    samples = None if resampled is None else scores.class_counts(resampled, ignored)
    segmentation = evaluation.kind is Kind.SEGMENTATION
    table = scores.SEGMENTATION_SCORES if segmentation else scores.CLASSIFICATION_SCORES
    overall = _figures(table, counts, samples, sample_set.logged)
    by_class = {
        heading: _class_figures(function, counts, samples)
        for heading, function in scores.CLASS_SCORES.items()
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
    confusion = scores.confusion_matrix(sample_set.chips, len(names))
    others = _others(sample_set.logged, overall)
    return Results(overall, rows, confusion, others, 0 if samples is None else len(stacked))


def _counted(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out chips of which nothing counts: drawn alone, they would have a score of 0."""
    return rows[rows.any(axis=1)]


def _resampled(rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
    enough = len(rows) >= _FEWEST_CHIPS
    return resampled_sums(rows) if enough and np.isfinite(rows).all() else None


def _figures(
    table: Mapping[str, Any], total: Any, samples: Any, logged: Mapping[str, float]
) -> dict[str, Figure]:
    figures = {}
    for name, function in table.items():
        value = float(function(total))
        interval = None if samples is None else intervals(function(samples)[:, None])[0]
        figures[name] = Figure(value, interval, _if_other(logged.get(name), value))
    return figures


def _class_figures(
    function: scores.ClassFunction, counts: scores.ClassCounts, samples: scores.ClassCounts | None
) -> list[Figure]:
    """Return the score of each class; one which is nowhere, or does not count, has none."""
    values = np.where(counts.seen & counts.included, function(counts), np.nan)
    ends: Sequence[Interval | None] = [None] * len(values)
    if samples is not None:
        ends = intervals(np.where(samples.seen & samples.included, function(samples), np.nan))
    return [Figure(float(value), interval) for value, interval in zip(values, ends, strict=True)]


def _if_other(logged: float | None, value: float) -> float | None:
    """Return what was logged if it is not the same number."""
    if logged is None or np.isclose(logged, value, rtol=_SAME, atol=_NOTHING, equal_nan=True):
        return None
    return logged


def _others(logged: Mapping[str, float], overall: Mapping[str, Figure]) -> dict[str, float]:
    """Return metrics that are not shown elsewhere, such as the loss."""
    by_class = ("IoU_", "Class_Accuracy_", "Class_F1_")
    same = {"Recall"} if "Accuracy" in overall else set()  # the mean recall, twice
    return {
        name: value
        for name, value in logged.items()
        if name not in overall and name not in same and not name.startswith(by_class)
    }


def ranked(chips: Sequence[ChipScore], kind: Kind) -> list[ChipScore]:
    """Return the chips that have a score, the worst first."""
    scored = [chip for chip in chips if chip.score == chip.score]
    return sorted(scored, key=lambda chip: chip.score, reverse=kind is Kind.REGRESSION)
