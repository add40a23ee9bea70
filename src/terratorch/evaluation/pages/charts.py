"""Charts as inline SVG: curves, histograms and intervals.

Classes from `assets/report.css` colour them, so they follow the theme of the page. A plotting
library would embed fixed colours and fonts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from terratorch.drawing.round_numbers import are_alike, ticks_around
from terratorch.evaluation.curves import Curve

# Units of the drawing, about one pixel each, so that text is readable on a phone.
_WIDTH, _HEIGHT = 380, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 14, 12, 34
_MOST_MARKS = 60  # points of a curve that get a mark each


@dataclass(frozen=True)
class Series:
    """A curve of a chart; its name is also the class that colours it."""

    name: str
    curve: Curve


def tick_texts(values: Sequence[float]) -> list[str]:
    """Return the labels of an axis, all with the same number of decimals."""
    largest = max(map(abs, values))
    if largest and not 1e-3 <= largest < 1e5:
        return [f"{value:.3g}" for value in values]
    decimals = max(len(f"{value:.6f}".rstrip("0").partition(".")[2]) for value in values)
    return [f"{value:,.{decimals}f}" for value in values]


def line_chart(title: str, series: Sequence[Series], x_label: str) -> Markup:
    """Return a chart of curves with common axes."""
    xs = [step for line in series for step in line.curve.steps]
    ys = [value for line in series for value in line.curve.values]
    x_ticks = [tick for tick in ticks_around(min(xs), max(xs), 4) if tick == int(tick)]
    y_ticks = ticks_around(*_padded(min(ys), max(ys)), 4)
    frame = _Frame(min(xs), max(max(xs), min(xs) + 1e-9), y_ticks[0], y_ticks[-1])
    described = "; ".join(
        f"{line.name} from {line.curve.values[0]:.4g} to {line.curve.values[-1]:.4g}"
        for line in series
    )
    lines = "".join(_line(line, frame) for line in series)
    axes = _axes(frame, x_ticks, y_ticks, x_label)
    return _chart(f"{title}: {described}", axes + lines)


def _chart(label: str, content: str) -> Markup:
    return Markup(
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{content}</svg>'
    )


@dataclass(frozen=True)
class _Frame:
    """Maps values to positions in the drawing."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        share = (value - self.x_low) / (self.x_high - self.x_low)
        if self.x_high - self.x_low < 1e-6:
            share = 0.5
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _padded(low: float, high: float) -> tuple[float, float]:
    """Widen a range of a single value, so that a constant is drawn in the middle."""
    if not are_alike(low, high):
        return low, high
    margin = abs(low) * 0.1 or 0.1
    return low - margin, high + margin


def _axes(frame: _Frame, x_ticks: Sequence[float], y_ticks: Sequence[float], x_label: str) -> str:
    parts = [
        f'<text class="axis-name" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" text-anchor="end">'
        f"{escape(x_label)}</text>"
    ]
    for tick, text in zip(y_ticks, tick_texts(y_ticks), strict=True):
        y = frame.y(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 7}" y="{y + 3.5:.1f}" text-anchor="end">{text}</text>'
        )
    for tick, text in zip(x_ticks, tick_texts(x_ticks), strict=True):
        if frame.x_low <= tick <= frame.x_high:
            parts.append(
                f'<text class="tick" x="{frame.x(tick):.1f}" y="{_HEIGHT - _BOTTOM + 16}" '
                f'text-anchor="middle">{text}</text>'
            )
    return "".join(parts)


def _line(series: Series, frame: _Frame) -> str:
    points = [
        (frame.x(step), frame.y(value))
        for step, value in zip(series.curve.steps, series.curve.values, strict=True)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    name = escape(series.name)
    line = f'<polyline class="line {name}" points="{path}"/>' if len(points) > 1 else ""
    if len(points) > _MOST_MARKS:
        return line
    marks = [
        f'<circle class="mark {name}" cx="{x:.1f}" cy="{y:.1f}" r="2.6">'
        f"<title>{name}, step {step:g}: {value:.4g}</title></circle>"
        for (x, y), step, value in zip(points, series.curve.steps, series.curve.values, strict=True)
    ]
    return line + "".join(marks)


def interval_bar(value: float, low: float, high: float) -> Markup:
    """Return a small bar from 0 to 1 with a score and its interval."""
    width, height, margin = 120, 14, 4
    scale = width - 2 * margin

    def place(score: float) -> str:
        return f"{margin + scale * min(max(score, 0.0), 1.0):.1f}"

    return Markup(
        f'<svg class="interval" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<line class="rail" x1="{margin}" x2="{width - margin}" y1="7" y2="7"/>'
        f'<line class="range" x1="{place(low)}" x2="{place(high)}" y1="7" y2="7"/>'
        f'<circle class="dot" cx="{place(value)}" cy="7" r="3.6"/></svg>'
    )


def histogram(
    values: Sequence[float],
    label: str,
    limits: tuple[float, float] | None = None,
    bins: int = 20,
) -> Markup:
    """Return a histogram of scores.

    Args:
        values: Finite numbers.
        label: Name of the axis.
        limits: The ends of the axis, by default round numbers around the values.
        bins: Number of bars.
    """
    low, high = min(values), max(values)
    marks = ticks_around(*(limits or (low, high)), 5)
    edges = limits or (marks[0], marks[-1])
    width = (edges[1] - edges[0]) / bins
    counts = [0] * bins
    for value in values:
        counts[min(int((value - edges[0]) / width), bins - 1)] += 1
    y_ticks = [tick for tick in ticks_around(0, max(counts), 4) if tick == int(tick)]
    frame = _Frame(*edges, 0, y_ticks[-1])
    bars = []
    for index, count in enumerate(counts):
        if count:
            left, right = edges[0] + index * width, edges[0] + (index + 1) * width
            x, y = frame.x(left) + 0.7, frame.y(count)
            bars.append(
                f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{frame.x(right) - x - 0.7:.1f}" '
                f'height="{frame.y(0) - y:.1f}"><title>{left:.3g} to {right:.3g}: {count}</title>'
                "</rect>"
            )
    title = f"Number of chips by score: {len(values)} from {low:.3g} to {high:.3g}"
    return _chart(title, _axes(frame, marks, y_ticks, label) + "".join(bars))
