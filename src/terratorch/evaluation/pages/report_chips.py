"""The parts of a report that show chips: panels, where they lie, how their scores are spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from terratorch.colors import VIRIDIS, Color, palette
from terratorch.drawing.paint import value_limits
from terratorch.evaluation.evaluation import (
    SCORE_NAMES,
    ChipScore,
    Evaluation,
    Kind,
    Panel,
    SampleSet,
)
from terratorch.evaluation.pages.charts import histogram
from terratorch.evaluation.pages.chip_map import chip_map, css_color
from terratorch.evaluation.pages.page import escape
from terratorch.evaluation.pages.panels import ERROR_RAMP, WRONG
from terratorch.evaluation.pages.report_scores import number
from terratorch.evaluation.results import ranked

_LISTED = 25
_MOST_ON_MAP = 5000
_RANKS = {"worst": "Worst", "median": "Near the median", "best": "Best"}
_LEGEND_CLASSES = 24
_NO_LABEL = '<span class="entry"><span class="swatch empty"></span>no label</span>'


def panels(evaluation: Evaluation, sample_set: SampleSet) -> str:
    """Return the chips to look at, by rank, under a legend."""
    parts = [_legend(evaluation, sample_set)]
    for rank, title in _RANKS.items():
        chosen = [panel for panel in sample_set.panels if panel.rank == rank]
        if chosen:
            shown = "".join(_panel(panel) for panel in chosen)
            small = " small" if all(len(panel.pictures) == 1 for panel in chosen) else ""
            parts.append(f'<h4>{title}</h4><div class="panels{small}">{shown}</div>')
    return "".join(parts)


def _panel(panel: Panel) -> str:
    name = Path(panel.filename).name
    pictures = "".join(
        f'<figure><img src="{escape(picture.uri)}" alt="{escape(f"{picture.title} of {name}")}">'
        f"<figcaption>{escape(picture.title)}</figcaption></figure>"
        for picture in panel.pictures
    )
    caption = f"<p>{escape(panel.caption)}</p>" if panel.caption else ""
    return (
        f'<article class="panel"><header><b title="{escape(panel.filename)}">'
        f"<bdi>{escape(name)}</bdi></b><span>{number(panel.score)}</span></header>"
        f'<div class="pictures">{pictures}</div>{caption}</article>'
    )


def _legend(evaluation: Evaluation, sample_set: SampleSet) -> str:
    score = f"<span>Score: {escape(SCORE_NAMES[evaluation.kind])}</span>"
    if evaluation.kind is Kind.CLASSIFICATION:
        return f'<p class="legend">{score}</p>'
    if sample_set.scale is not None:
        scale = sample_set.scale
        values = _ramp(VIRIDIS, number(scale.low), number(scale.high))
        low, high = f"{number(scale.error)} too low", f"{number(scale.error)} too high"
        errors = _ramp(ERROR_RAMP, low, high)
        return (
            f'<p class="legend">{score}<span>Label and prediction: {values}</span>'
            f"<span>Errors: {errors}</span>{_NO_LABEL}</p>"
        )
    names = evaluation.class_names
    shown = zip(names[:_LEGEND_CLASSES], palette(names), strict=False)
    entries = [_swatch(css_color(color), name) for name, color in shown]
    if len(names) > _LEGEND_CLASSES:
        entries.append(f"<span>and {len(names) - _LEGEND_CLASSES} more</span>")
    entries.append(_swatch(css_color(WRONG), "error"))
    if any(chip.score == chip.score for chip in sample_set.chips):
        entries.append(_NO_LABEL)
    return f'<p class="legend">{score}{"".join(entries)}</p>'


def _swatch(color: str, text: str) -> str:
    return (
        f'<span class="entry"><span class="swatch" style="background:{color}"></span>'
        f"{escape(text)}</span>"
    )


def _ramp(colors: Sequence[Color], low: str, high: str) -> str:
    stops = ",".join(css_color(color) for color in colors)
    return (
        f'{low} <span class="ramp" style="background:linear-gradient(90deg,{stops})"></span> {high}'
    )


def places(evaluation: Evaluation, sample_set: SampleSet) -> str:
    """Return the map of the chips' scores; empty where nothing has a place."""
    worst_first = ranked(sample_set.chips, evaluation.kind)
    # The worst are drawn last, on top: they are what people look for.
    chips = [*(chip for chip in sample_set.chips if chip.score != chip.score), *worst_first[::-1]]
    shown = _thinned(chips)
    scores = [chip.score for chip in worst_first if math.isfinite(chip.score)]
    limits = value_limits(np.array(scores))
    drawn = chip_map(shown, limits, SCORE_NAMES[evaluation.kind])
    if drawn is None:
        return ""
    name = SCORE_NAMES[evaluation.kind]
    # Scores beyond the ends have their colours.
    low, high = map(number, limits)
    low = f"\u2264 {low}" if scores and min(scores) < limits[0] else low
    high = f"\u2265 {high}" if scores and max(scores) > limits[1] else high
    left_out = len(chips) - len(shown)
    thinned = f" {left_out:,} of {len(chips):,} chips are left out." if left_out else ""
    return (
        f'{drawn}<p class="legend"><span>{escape(name)}: '
        f"{_ramp(VIRIDIS, low, high)}</span></p>"
        f'<p class="note">Small chips are drawn larger than they are.{thinned}</p>'
    )


def _thinned(chips: Sequence[ChipScore]) -> Sequence[ChipScore]:
    step = -(-len(chips) // _MOST_ON_MAP) or 1
    return chips[::-step][::-1]  # the last are the worst: they stay


def spread(evaluation: Evaluation, sample_set: SampleSet) -> str:
    """Return how the scores of the chips are spread, and the files of the worst."""
    values = [chip.score for chip in sample_set.chips if math.isfinite(chip.score)]
    worst = _worst_list(evaluation, sample_set)
    if not values:
        return worst
    limits = None if evaluation.kind is Kind.REGRESSION else (0.0, 1.0)
    bars = histogram(values, "score", limits)
    name = escape(SCORE_NAMES[evaluation.kind])
    figure = f"<figure><figcaption>{name}</figcaption>{bars}</figure>"
    return f'<div class="charts spread">{figure}{worst}</div>'


def _worst_list(evaluation: Evaluation, sample_set: SampleSet) -> str:
    worst = ranked(sample_set.chips, evaluation.kind)[:_LISTED]
    rows = "".join(
        f'<tr><td>{number(chip.score)}</td><td class="file">{escape(chip.filename)}</td></tr>'
        for chip in worst
    )
    return (
        f'<div><h4>The worst, by file</h4><div class="scroll listed" tabindex="0">'
        f'<table class="files"><tbody>{rows}</tbody></table></div></div>'
    )
