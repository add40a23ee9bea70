"""The report of an evaluation: one HTML file, from the result of a test and logs of a training."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from terratorch.colors import palette
from terratorch.evaluation.bootstrap import LEVEL, RESAMPLES
from terratorch.evaluation.curves import TrainingLog
from terratorch.evaluation.evaluation import Card, ChipScore, Evaluation, SampleSet
from terratorch.evaluation.pages.charts import Series, histogram, interval_bar, line_chart
from terratorch.evaluation.pages.page import render_page
from terratorch.evaluation.pages.report_search import Report
from terratorch.evaluation.pictures import WRONG
from terratorch.evaluation.ramps import ERROR_RAMP, ramp_of
from terratorch.evaluation.reported import PREDICTED_TITLES, REPORTED, ReportedOutput
from terratorch.evaluation.results import ClassRow, Results

_LARGEST_MATRIX = 40  # classes; of more, only the largest confusions are listed
_MOST_NAMED = 24  # classes in a legend
_LISTED_CONFUSIONS = 8
_RANKS = {"worst": "Worst", "median": "Near the median", "best": "Best"}
_STAGES = ("train", "val")
# Shown in this order; all other curves are folded.
_FIRST_CURVES = (
    "loss", "mIoU", "Pixel_Accuracy", "Accuracy_Micro", "F1_Score", "RMSE", "R2_Score",
)  # fmt: skip
_HINTS: Mapping[str, str] = {
    "mIoU": "intersection over union, mean of the classes",
    "mIoU_Micro": "all intersections over all unions",
    "Pixel_Accuracy": "share of the pixels that are right",
    "Accuracy_Micro": "share of the images that are right",
    "Accuracy": "recall, mean of the classes",
    "F1_Score": "mean of the classes",
    "Precision": "mean of the classes",
    "Boundary_mIoU": "IoU of the class boundaries, without class 0",
    "RMSE": "root of the mean squared error",
    "MAE": "mean absolute error",
    "MSE": "mean squared error",
    "R2_Score": "share of the variance that is explained",
    "loss": "of the training criterion",
}


@dataclass(frozen=True)
class ReportedSet:
    """A test set with everything that its sections show."""

    row: ReportedOutput
    sample_set: SampleSet
    results: Results

    @cached_property
    def ranked(self) -> list[ChipScore]:
        """The chips with a score, the worst first."""
        return self.row.ranked(self.sample_set.chips)

    @property
    def histogram(self) -> Markup | None:
        """The distribution of the chips' scores, None without finite scores."""
        values = [chip.score for chip in self.ranked if math.isfinite(chip.score)]
        return histogram(values, "score", self.row.limits) if values else None


@dataclass(frozen=True)
class Section:
    """A section of a report.

    Attributes:
        template: The file in `templates/report/`.
        heading: Its heading.
        identifier: The target of links.
        tested: The test set that it shows, if it shows scores of one.
        shown: The test set whose predictions it shows.
    """

    template: str
    heading: str
    identifier: str
    tested: ReportedSet | None = None
    shown: SampleSet | None = None


# The sections of a test set, in order: template, heading, and whether a set has it.
_SET_SECTIONS: tuple[tuple[str, str, Callable[[ReportedSet], bool]], ...] = (
    ("scores", "Scores", lambda tested: bool(tested.results.overall)),
    ("classes", "Classes", lambda tested: bool(tested.results.classes)),
    ("confusion", "Confusion", lambda tested: tested.results.confusion is not None),
    ("chips", "Chips", lambda tested: bool(tested.sample_set.panels)),
    ("spread", "Spread over the chips", lambda tested: bool(tested.ranked)),
)


def render(report: Report) -> str:
    """Return the report as an HTML document."""
    evaluation = report.evaluation
    names = [] if evaluation is None else evaluation.class_names
    checkpoint = None if evaluation is None else evaluation.checkpoint
    folder = None if report.log is None else str(report.log.folder)
    return render_page(
        "report.html",
        title="Training report" if evaluation is None else "Evaluation report",
        subtitle=["Not tested yet"] if evaluation is None else list(_subtitle(evaluation)),
        path=checkpoint or folder,
        notes=[*([] if evaluation is None else evaluation.notes), *report.notes],
        sections=list(_sections(evaluation)),
        evaluation=evaluation,
        log=report.log,
        hints=defaultdict(str, _HINTS),
        colors=palette(names),
        ranks=_RANKS,
        wrong=WRONG,
        error_ramp=ERROR_RAMP,
        ramp_of=ramp_of,
        level=round(100 * LEVEL),
        resamples=RESAMPLES,
        largest_matrix=_LARGEST_MATRIX,
        most_named=_MOST_NAMED,
        bar=_bar,
        charts=_charts,
        largest_confusions=largest_confusions,
    )


def _sections(evaluation: Evaluation | None) -> Iterator[Section]:
    if evaluation is not None:
        for index, sample_set in enumerate(evaluation.sets):
            yield from _set_sections(evaluation, sample_set, index)
    yield Section("curves", "Training curves", "curves")
    if evaluation is not None:
        yield Section("cards", "Model and data", "cards")
        if evaluation.configuration:
            yield Section("configuration", "Configuration", "configuration")


def _set_sections(evaluation: Evaluation, sample_set: SampleSet, index: int) -> Iterator[Section]:
    """Yield the sections of a test set, or a note if it has no labels."""
    name = f": {sample_set.name}" if sample_set.name else ""
    if sample_set.summary:
        yield Section("predicted", f"Predictions{name}", f"predicted-{index}", shown=sample_set)
        return
    row = REPORTED[evaluation.kind]
    if not row.ranked(sample_set.chips):
        yield Section("unlabelled", f"Scores{name}", f"scores-{index}")
        return
    tested = ReportedSet(row, sample_set, row.results(evaluation, sample_set))
    for template, heading, is_shown in _SET_SECTIONS:
        if is_shown(tested):
            yield Section(template, f"{heading}{name}", f"{template}-{index}", tested)


def _subtitle(evaluation: Evaluation) -> Iterator[str]:
    kind = evaluation.kind
    yield PREDICTED_TITLES.get(kind) or REPORTED[kind].title
    yield from _model_words(evaluation.cards)
    chips = sum(len(sample_set.chips) for sample_set in evaluation.sets)
    yield f"{chips:,} test chip{'s' * (chips != 1)}"
    yield f"{datetime.fromisoformat(evaluation.created):%Y-%m-%d %H:%M}"


def _model_words(cards: list[Card]) -> Iterator[str]:
    rows = dict(row for card in cards for row in card.rows)
    parts = [rows[name] for name in ("Backbone", "Decoder") if name in rows]
    if parts:
        yield " + ".join(parts)


def _bar(row: ClassRow, heading: str) -> Markup | str:
    """Return a score of a class as a bar with its interval, empty if it is not defined."""
    value, ends = row.figures[heading].value, row.figures[heading].interval
    if value != value:
        return ""
    return interval_bar(value, *((value, value) if ends is None or ends.low != ends.low else ends))


def largest_confusions(matrix: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return true class, predicted class and count of the most frequent errors."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(wrong, axis=None)[::-1][:_LISTED_CONFUSIONS]
    cells = [divmod(cell, len(wrong)) for cell in order.tolist()]
    return [(true, other, int(wrong[true, other])) for true, other in cells if wrong[true, other]]


def _charts(log: TrainingLog) -> tuple[dict[str, Markup], dict[str, Markup]]:
    """Return the charts of a training by metric: those shown at once, and the folded ones."""
    by_metric: dict[str, list[Series]] = {}
    for name, curve in log.curves.items():
        stage, _, metric = name.partition("/")
        if stage == "test" or not curve.values:
            continue
        is_staged = stage in _STAGES and bool(metric)
        series = Series(stage if is_staged else "other", curve)
        by_metric.setdefault(metric if is_staged else name, []).append(series)
    charts = {
        # Training is drawn first, so that validation is on top.
        name: line_chart(name, sorted(series, key=lambda series: series.name), "step")
        for name, series in by_metric.items()
    }
    first = {name: charts[name] for name in _FIRST_CURVES if name in charts} or charts
    return first, {name: charts[name] for name in sorted(charts.keys() - first.keys())}
