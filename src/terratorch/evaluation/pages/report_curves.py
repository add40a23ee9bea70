"""The curves of a training in a report: a chart for each metric, training and validation in it."""

from __future__ import annotations

from terratorch.evaluation.curves import TrainingLog
from terratorch.evaluation.pages.charts import Series, line_chart
from terratorch.evaluation.pages.page import escape

_STAGES = {"train": "training", "val": "validation"}
# Shown at once, in this order; all others are folded.
_FIRST = ("loss", "mIoU", "Pixel_Accuracy", "Accuracy_Micro", "F1_Score", "RMSE", "R2_Score")
_OTHER_STAGES = ("test/",)


def curves(log: TrainingLog) -> str:
    """Return the charts of a training."""
    charts: dict[str, list[Series]] = {}
    for name, curve in log.curves.items():
        stage, _, metric = name.partition("/")
        if name.startswith(_OTHER_STAGES) or not curve.values:
            continue
        if stage in _STAGES and metric:
            charts.setdefault(metric, []).append(Series(stage, curve))
        else:
            charts.setdefault(name, []).append(Series("other", curve))
    drawn = {name: _chart(name, series) for name, series in charts.items()}
    first = [drawn.pop(name) for name in _FIRST if name in drawn]
    first += [drawn.pop(name) for name in list(drawn)] if not first else []
    folded = "".join(drawn[name] for name in sorted(drawn))
    more = (
        f'<details><summary>{len(drawn)} more curves</summary><div class="charts">{folded}</div>'
        "</details>"
        if drawn
        else ""
    )
    return f'{_key()}<div class="charts">{"".join(first)}</div>{more}'


def _key() -> str:
    entries = "".join(
        f'<span class="entry"><span class="key {stage}"></span>{text}</span>'
        for stage, text in _STAGES.items()
    )
    return f'<p class="legend">{entries}</p>'


def _chart(name: str, series: list[Series]) -> str:
    ordered = sorted(series, key=lambda one: one.name)  # training below, validation above
    return (
        f"<figure><figcaption>{escape(name)}</figcaption>{line_chart(name, ordered, 'step')}"
        "</figure>"
    )
