"""The report of an evaluation: one HTML file, from what a test found and a training logged."""

from __future__ import annotations

from datetime import datetime

from terratorch.evaluation.evaluation import Card, Evaluation, Kind, SampleSet
from terratorch.evaluation.pages.page import escape, render_page
from terratorch.evaluation.pages.report_chips import panels, places, spread
from terratorch.evaluation.pages.report_curves import curves
from terratorch.evaluation.pages.report_scores import (
    class_table,
    confusion,
    interval_note,
    overall_table,
    tiles,
)
from terratorch.evaluation.pages.report_search import Report
from terratorch.evaluation.results import results_of

_KIND_NAMES = {
    Kind.SEGMENTATION: "Semantic segmentation",
    Kind.CLASSIFICATION: "Classification",
    Kind.REGRESSION: "Pixel-wise regression",
}
_LONG = 22  # characters that do not fit beside a label
_NO_TEST = (
    "This run has not been tested, so there are no scores: "
    "<code>terratorch test -c CONFIG --ckpt_path best.ckpt</code> adds them."
)
_ONE_CLASS = (
    '<p class="warning">There is one class, which is always right. A model that tells something '
    "from all else has two: the background, too.</p>"
)
_NO_CURVES = (
    "The training of these weights left no curves where they lie. "
    "<code>terratorch report DIR</code> adds those that it finds in the folder of a run."
)


def render(report: Report) -> str:
    """Return the report as an HTML document."""
    evaluation = report.evaluation
    sections: list[tuple[str, str, str]] = []  # identifier, heading, content
    if evaluation is not None:
        for index, sample_set in enumerate(evaluation.sets):
            sections += _set_sections(evaluation, sample_set, index)
    sections.append(("curves", "Training curves", _curves(report)))
    if evaluation is not None:
        sections.append(("cards", "Model and data", _cards(evaluation.cards)))
        if evaluation.configuration:
            sections.append(("configuration", "Configuration", _folded(evaluation.configuration)))
    body = "".join(
        f'<section id="{identifier}"><h2>{escape(heading)}</h2>{content}</section>'
        for identifier, heading, content in sections
    )
    notes = [*([] if evaluation is None else evaluation.notes), *report.notes]
    return render_page(
        "Evaluation report" if evaluation is not None else "Training report",
        _navigation(sections) + _notes(notes, evaluation is None) + body,
        styles=("report.css",),
        subtitle=_subtitle(report),
    )


def _set_sections(
    evaluation: Evaluation, sample_set: SampleSet, index: int
) -> list[tuple[str, str, str]]:
    """Return the sections of a test set; nothing but a word where none of its chips counts."""
    name = f": {sample_set.name}" if sample_set.name else ""
    if all(chip.score != chip.score for chip in sample_set.chips):
        nothing = '<p class="note">No chip of this test set has a label that counts.</p>'
        return [(f"scores-{index}", f"Scores{name}", nothing)]
    results = results_of(evaluation, sample_set)
    one = _ONE_CLASS if len(evaluation.class_names) == 1 else ""
    scores = one + tiles(results) + overall_table(results) + interval_note(results.resampled)
    sections = [("scores", "Scores", scores)]
    if results.classes:
        sections.append(("classes", "Classes", class_table(evaluation, results)))
        sections.append(("confusion", "Confusion", confusion(evaluation, results)))
    sections.append(("chips", "Chips", panels(evaluation, sample_set)))
    sections.append(("spread", "Spread over the chips", spread(evaluation, sample_set)))
    drawn = places(evaluation, sample_set)
    if drawn:
        sections.append(("map", "Where they lie", drawn))
    return [
        (f"{identifier}-{index}", f"{heading}{name}", content)
        for identifier, heading, content in sections
    ]


def _subtitle(report: Report) -> str:
    evaluation = report.evaluation
    parts = []
    if evaluation is None:
        parts = ["Not tested yet"]
    else:
        parts = [_KIND_NAMES[evaluation.kind], *_model_words(evaluation.cards)]
        chips = sum(len(sample_set.chips) for sample_set in evaluation.sets)
        parts.append(f"{chips:,} test chip{'s' * (chips != 1)}")
        created = datetime.fromisoformat(evaluation.created)
        parts.append(f"{created:%Y-%m-%d %H:%M}")
    line = " · ".join(escape(part) for part in parts)
    path = None if evaluation is None else evaluation.checkpoint
    path = path or (str(report.log.folder) if report.log is not None else None)
    return line if path is None else f"{line}<br><code>{escape(path)}</code>"


def _model_words(cards: list[Card]) -> list[str]:
    rows = dict(row for card in cards for row in card.rows)
    parts = [rows[name] for name in ("Backbone", "Decoder") if name in rows]
    return [" + ".join(parts)] if parts else []


def _navigation(sections: list[tuple[str, str, str]]) -> str:
    links = "".join(
        f'<a href="#{identifier}">{escape(heading)}</a>' for identifier, heading, _ in sections
    )
    return f'<nav class="contents" aria-label="Sections">{links}</nav>'


def _notes(notes: list[str], untested: bool) -> str:
    lines = [*([_NO_TEST] if untested else []), *(escape(note) for note in notes)]
    return "".join(f'<p class="warning">{line}</p>' for line in lines)


def _curves(report: Report) -> str:
    if report.log is None:
        return f'<p class="note">{_NO_CURVES}</p>'
    where = f'<p class="note">From <code>{escape(report.log.folder)}</code></p>'
    return curves(report.log) + where


def _cards(cards: list[Card]) -> str:
    return '<div class="cards">' + "".join(map(_card, cards)) + "</div>"


def _card(card: Card) -> str:
    rows = "".join(
        f"<dt>{escape(label)}</dt><dd{' class=long' * (len(text) > _LONG)}>{escape(text)}</dd>"
        for label, text in card.rows
    )
    return f'<article class="card"><h3>{escape(card.title)}</h3><dl>{rows}</dl></article>'


def _folded(configuration: str) -> str:
    return (
        "<details><summary>YAML of the run</summary>"
        f'<pre class="scroll" tabindex="0">{escape(configuration)}</pre></details>'
    )
