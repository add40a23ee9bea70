"""How templates write numbers, intervals, shares and colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

from terratorch.colors import Color
from terratorch.evaluation.results import Figure

_DASH, _THIN_SPACE = "\u2013", "\u2009"
_SMALLEST_SHARE = 0.1  # per cent
_TINY, _HUGE = 0.01, 1e7  # beyond these, digits are significant ones


def number(value: float) -> str:
    """Return a score with three decimals or as many digits as it needs; NaN is a dash."""
    if value != value:
        return _DASH
    size = abs(value)
    if size < _TINY and value:
        return f"{value:.3g}"
    if size < 100:
        return f"{value:.3f}"
    return f"{value:,.1f}" if size < 1000 else f"{value:,.0f}" if size < _HUGE else f"{value:.4g}"


def logged_number(value: float) -> str:
    """Return a value that a task logged; NaN is written out, as it was logged."""
    return "NaN" if value != value else number(value)


def interval(figure: Figure) -> str:
    """Return the interval of a score, empty without one or if its ends are equal.

    If all chips are right, no resample has an error, and the interval would mislead.
    """
    ends = figure.interval
    if ends is None or not ends.high > ends.low:
        return ""
    return f"{number(ends.low)}{_THIN_SPACE}{_DASH}{_THIN_SPACE}{number(ends.high)}"


def share(count: int, total: int) -> str:
    """Return a share in per cent."""
    percent = 100 * count / max(total, 1)
    if 0 < percent < _SMALLEST_SHARE:
        return f"< {_SMALLEST_SHARE}\u00a0%"
    return f"{percent:.{1 if 0 < percent < 10 else 0}f}\u00a0%"


def css_color(color: Color) -> str:
    """Return a colour for a style sheet."""
    return "#" + "".join(f"{part:02x}" for part in color)


def gradient(colors: Sequence[Color]) -> str:
    """Return a horizontal colour ramp for a style sheet."""
    return f"linear-gradient(90deg,{','.join(map(css_color, colors))})"


def file_name(path: str) -> str:
    """Return the last part of a path."""
    return PurePath(path).name


FILTERS: Mapping[str, Callable[..., str]] = {
    function.__name__: function
    for function in (number, logged_number, interval, share, css_color, gradient, file_name)
}
