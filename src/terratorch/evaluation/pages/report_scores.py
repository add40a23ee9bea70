"""The parts of a report that tell how good a model is: headline, tables, confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from terratorch.colors import palette
from terratorch.evaluation.bootstrap import LEVEL, RESAMPLES
from terratorch.evaluation.evaluation import Evaluation, Kind
from terratorch.evaluation.pages.charts import interval_bar
from terratorch.evaluation.pages.chip_map import css_color
from terratorch.evaluation.pages.page import escape
from terratorch.evaluation.results import ClassRow, Figure, Results

_DASH, _THIN_SPACE = "\u2013", "\u2009"
_TILES = 4
_SMALLEST_SHARE = 0.1  # per cent
_TINY, _HUGE = 0.01, 1e7  # beyond them a number has few digits, and an exponent if need be
# A larger matrix fits no screen: of more classes, the largest confusions are listed alone.
_LARGEST_MATRIX = 40
_LISTED_CONFUSIONS = 8
_MOST_CLASSES_SHOWN = 12  # in a table that is not scrolled

HINTS: Mapping[str, str] = {
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


def number(value: float) -> str:
    """Return a figure with three decimals, or as many digits as tell it; NaN is a dash."""
    if value != value:
        return _DASH
    size = abs(value)
    if size < _TINY and value:
        return f"{value:.3g}"
    if size < 100:
        return f"{value:.3f}"
    return f"{value:,.1f}" if size < 1000 else f"{value:,.0f}" if size < _HUGE else f"{value:.4g}"


def interval_text(figure: Figure) -> str:
    """Return the interval of a figure; empty where it has none, or where its ends are the same.

    Where all chips are right no resample has an error: how certain that is they cannot tell.
    """
    ends = figure.interval
    if ends is None or not ends.high > ends.low:
        return ""
    return f"{number(ends.low)}{_THIN_SPACE}{_DASH}{_THIN_SPACE}{number(ends.high)}"


def tiles(results: Results) -> str:
    """Return the headline: the most telling scores, large."""
    parts = [
        f'<div class="tile"><div class="tile-name">{escape(name)}</div>'
        f'<div class="tile-value">{number(figure.value)}</div>'
        f'<div class="tile-range">{interval_text(figure) or "&nbsp;"}</div>'
        f'<div class="tile-hint">{escape(HINTS.get(name, ""))}</div></div>'
        for name, figure in list(results.overall.items())[:_TILES]
    ]
    return f'<div class="tiles">{"".join(parts)}</div>'


def overall_table(results: Results) -> str:
    """Return all scores as a table: those of the chips' counts, and what else was logged."""
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td>{number(figure.value)}{_logged(figure)}</td>'
        f'<td class="range">{interval_text(figure)}</td>'
        f'<td class="hint">{escape(HINTS.get(name, ""))}</td></tr>'
        for name, figure in results.overall.items()
    ]
    rows += [
        f'<tr><th scope="row">{escape(name)}</th><td>{_logged_number(value)}</td>'
        f'<td class="range"></td><td class="hint">'
        f"{escape(HINTS.get(name, 'as the task logged it'))}</td></tr>"
        for name, value in results.others.items()
    ]
    head = "<th>Score</th><th>Value</th><th>95&nbsp;% interval</th><th>What it is</th>"
    return _table("scores", head, rows)


def _logged(figure: Figure) -> str:
    if figure.logged is None:
        return ""
    return f'<div class="differs">logged: {_logged_number(figure.logged)}</div>'


def _logged_number(value: float) -> str:
    """Return what a task logged; that it is NaN is not to be taken for one it has not."""
    return "NaN" if value != value else number(value)


def interval_note(chips: int) -> str:
    """Return what the intervals are, and how far they can be trusted.

    Args:
        chips: How many were resampled.
    """
    if not chips:
        return ""
    few = " With so few chips they are a rough guide only." if chips < 20 else ""
    return (
        f'<p class="note">Intervals of {100 * LEVEL:.0f}&nbsp;% confidence from {RESAMPLES:,} '
        f"resamples of the {chips:,} chips (percentile bootstrap).{few} A score has none "
        "where all resamples have the same. Chips that lie side by side are "
        "alike; where the test set has such, the true uncertainty is larger.</p>"
    )


def class_table(evaluation: Evaluation, results: Results) -> str:
    """Return the scores of each class with their intervals."""
    headings = list(results.classes[0].figures)
    unit = "Pixels" if evaluation.kind is Kind.SEGMENTATION else "Images"
    total = sum(row.true for row in results.classes)
    main = headings[0] if evaluation.kind is Kind.SEGMENTATION else "F1"
    colors = palette(evaluation.class_names)
    rows = [
        "<tr>"
        + f'<th scope="row"><span class="swatch" style="background:{css_color(color)}"></span>'
        + f"{escape(row.name)}{' <small>(ignored)</small>' if row.ignored else ''}</th>"
        + f'<td class="bar-cell">{_bar(row, main)}</td>'
        + "".join(_class_cell(row.figures[heading]) for heading in headings)
        + f"<td>{row.true:,}<small>{_share(row.true, total)}</small></td></tr>"
        for row, color in zip(results.classes, colors, strict=True)
    ]
    names = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    head = f"<th>Class</th><th>{main}</th>{names}<th>{unit}</th>"
    long = " long" if len(rows) > _MOST_CLASSES_SHOWN else ""
    return _table(f"classes{long}", head, rows)


def _bar(row: ClassRow, heading: str) -> str:
    figure = row.figures[heading]
    ends = figure.interval
    if figure.value != figure.value:
        return ""
    if ends is None or ends.low != ends.low:
        return interval_bar(figure.value, figure.value, figure.value)
    return interval_bar(figure.value, *ends)


def _class_cell(figure: Figure) -> str:
    return f"<td>{number(figure.value)}<small>{interval_text(figure)}</small></td>"


def _share(count: int, total: int) -> str:
    share = 100 * count / max(total, 1)
    if 0 < share < _SMALLEST_SHARE:
        return f"&lt;&nbsp;{_SMALLEST_SHARE}&nbsp;%"
    return f"{share:.{1 if 0 < share < 10 else 0}f}&nbsp;%"


def _table(kind: str, head: str, rows: Sequence[str]) -> str:
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def confusion(evaluation: Evaluation, results: Results) -> str:
    """Return the confusion matrix, shares of each row, and the largest confusions in words."""
    matrix = results.confusion
    assert matrix is not None
    listed = _largest(evaluation, matrix)
    if len(matrix) > _LARGEST_MATRIX:
        return f'<p class="note">{len(matrix)} classes are too many for a matrix.</p>{listed}'
    many = " many" if len(matrix) > _MOST_CLASSES_SHOWN else ""
    return f'<div class="confusion{many}">{_matrix(evaluation, matrix)}{listed}</div>'


def _matrix(evaluation: Evaluation, matrix: NDArray[np.int64]) -> str:
    names = [escape(name) for name in evaluation.class_names]
    unit = "pixels" if evaluation.kind is Kind.SEGMENTATION else "images"
    labels = [f'<span title="{name}">{name}</span>' for name in names]
    head = "".join(f'<th scope="col">{label}</th>' for label in labels)
    body = "".join(
        f'<tr><th scope="row">{labels[index]}</th>{"".join(_cells(index, row, names, unit))}</tr>'
        for index, row in enumerate(matrix)
    )
    return (
        '<div><p class="note">Rows: label. Columns: prediction. Per cent of the row.</p>'
        f'<div class="scroll" tabindex="0"><table class="matrix">'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div></div>"
    )


def _cells(index: int, row: NDArray[np.int64], names: Sequence[str], unit: str) -> Iterator[str]:
    total = int(row.sum())
    for column, count in enumerate(row.tolist()):
        share = count / total if total else 0.0
        kind = "right" if column == index else "wrong"
        text = "" if count == 0 else f"{100 * share:.0f}" if share >= 0.005 else "&lt;1"
        what = f"{names[index]} predicted as {names[column]}: {count:,} {unit}"
        shade = 100 * math.sqrt(share)  # one of 5 % is to be seen
        yield f'<td class="{kind}" style="--share:{shade:.1f}%" title="{what}">{text}</td>'


def _largest(evaluation: Evaluation, matrix: NDArray[np.int64]) -> str:
    """Return the confusions that most pixels or images suffer."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(wrong, axis=None)[::-1][:_LISTED_CONFUSIONS]
    names, total = evaluation.class_names, int(wrong.sum())
    items = []
    for place in order.tolist():
        true, predicted = divmod(place, len(names))
        count = int(wrong[true, predicted])
        if count:
            items.append(
                f"<li><b>{escape(names[true])}</b> as <b>{escape(names[predicted])}</b>"
                f"<span>{_share(count, total)} of all errors</span></li>"
            )
    if not items:
        return '<p class="note">Nothing is confused.</p>'
    return f'<div><h4>Largest confusions</h4><ol class="confusions">{"".join(items)}</ol></div>'
