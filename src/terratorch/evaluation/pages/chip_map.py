"""A map of the chips of a test, coloured by their scores, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from terratorch.colors import VIRIDIS, Color
from terratorch.drawing.round_numbers import round_length, ticks_around
from terratorch.evaluation.evaluation import ChipScore
from terratorch.evaluation.pages.charts import tick_texts
from terratorch.evaluation.pages.page import escape
from terratorch.geo.extent import METRES_PER_DEGREE, Bounds

_WIDTH, _TALLEST, _LOWEST = 760, 560, 220
_MARGIN, _MARGIN_BOTTOM = 1, 26
_LEAST_SIDE = 9  # a chip of a country-wide set would be smaller than a pixel
_LABEL = 60  # the width of a label of the longitudes
_STRIP = 40  # below the chips, for the scale bar
_PADDING = 0.04  # of the width, around the chips


class _View(NamedTuple):
    """From degrees to places in the drawing; a degree east is as long as it is at the middle."""

    west: float
    north: float
    scale: float  # units of the drawing per degree of latitude
    narrowing: float  # cosine of the latitude in the middle
    width: float
    height: float

    def x(self, longitude: float) -> float:
        return _MARGIN + (longitude - self.west) * self.scale * self.narrowing

    def y(self, latitude: float) -> float:
        return _MARGIN + (self.north - latitude) * self.scale


def chip_map(
    chips: Sequence[ChipScore], limits: tuple[float, float], score_name: str
) -> str | None:
    """Return a map of the chips that have a place; None where none has.

    Args:
        chips: The chips, those to be drawn on top last.
        limits: The scores with the first and the last colour of the scale.
        score_name: What the score is.
    """
    known = [(chip, chip.bounds) for chip in chips if chip.bounds is not None]
    if not known:
        return None
    moved = _side_by_side([bounds for _, bounds in known])
    placed = [(chip, bounds) for (chip, _), bounds in zip(known, moved, strict=True)]
    view = _view([bounds for _, bounds in placed])
    squares = "".join(_square(chip, bounds, limits, view) for chip, bounds in placed)
    below, above = _graticule(view)
    total = view.height + _MARGIN + _MARGIN_BOTTOM
    return (
        f'<svg class="chart map" viewBox="0 0 {_WIDTH} {total:.0f}" role="img" '
        f'aria-label="{escape(f"Where the {len(placed)} chips lie, by {score_name}")}">'
        f"{below}{squares}{above}{_scale_bar(view)}</svg>"
    )


def score_color(score: float, limits: tuple[float, float]) -> Color:
    """Return the colour of a score on the scale between two limits."""
    low, high = limits
    share = 0.5 if high <= low else (score - low) / (high - low)
    return VIRIDIS[round(min(max(share, 0.0), 1.0) * (len(VIRIDIS) - 1))]


def css_color(color: Color) -> str:
    """Return a colour as style sheets write it."""
    return "#" + "".join(f"{part:02x}" for part in color)


def _side_by_side(bounds: Sequence[Bounds]) -> list[Bounds]:
    """Return bounds of which none crosses an edge of the map: it is cut where nothing lies.

    Chips on both sides of the antimeridian have longitudes beyond 180 degrees.
    """
    starts = sorted({west % 360 for west, *_ in bounds})
    gaps = [(after - before) % 360 for before, after in pairwise([starts[-1], *starts])]
    first = starts[gaps.index(max(gaps))] if len(starts) > 1 else starts[0]
    edge = first - 360 if first >= 180 else first
    moved = []
    for west, south, east, north in bounds:
        left = edge + (west % 360 - first) % 360
        width = east - west if east >= west else east - west + 360
        moved.append((left, south, left + width, north))
    return moved


def _view(bounds: Sequence[Bounds]) -> _View:
    wests, souths, easts, norths = zip(*bounds, strict=True)
    west, south, east, north = min(wests), min(souths), max(easts), max(norths)
    narrowing = max(math.cos(math.radians((south + north) / 2)), 0.05)
    padding = _PADDING * max((east - west) * narrowing, north - south, 1e-9)
    across, down = (east - west) * narrowing + 2 * padding, north - south + 2 * padding
    inner = _WIDTH - 2 * _MARGIN
    scale = min(inner / across, _TALLEST / down)
    height = max(down * scale, _LOWEST)
    # The chips lie in the middle of a frame that is wider or taller than they need.
    west -= padding / narrowing + (inner / scale - across) / 2 / narrowing
    north += padding + (height / scale - down) / 2
    return _View(west, north, scale, narrowing, inner, height + _STRIP)


def _graticule(view: _View) -> tuple[str, str]:
    """Return what lies below the chips, and what lies above them."""
    east = view.west + view.width / view.scale / view.narrowing
    south = view.north - view.height / view.scale
    right, bottom = _MARGIN + view.width, _MARGIN + view.height
    parts = [
        f'<rect class="frame" x="{_MARGIN}" y="{_MARGIN}" width="{view.width:.1f}" '
        f'height="{view.height:.1f}"/>'
    ]
    labels = []
    longitudes, latitudes = ticks_around(view.west, east), ticks_around(south, view.north, 4)
    # Latitudes stand inside the frame: on a phone there is no room beside it.
    for longitude, text in zip(longitudes, _degrees(longitudes, "E", "W"), strict=True):
        x = view.x(longitude)
        if _MARGIN + _LABEL / 2 < x < right - _LABEL / 2:
            parts.append(f'<path class="grid" d="M{x:.1f} {_MARGIN}V{bottom:.1f}"/>')
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{bottom + 17:.1f}" text-anchor="middle">'
                f"{text}</text>"
            )
    for latitude, text in zip(latitudes, _degrees(latitudes, "N", "S"), strict=True):
        y = view.y(latitude)
        if _MARGIN + 24 < y < bottom - _STRIP:
            parts.append(f'<path class="grid" d="M{_MARGIN} {y:.1f}H{right:.1f}"/>')
            labels.append(f'<text class="tick inside" x="7" y="{y - 4:.1f}">{text}</text>')
    return "".join(parts), "".join(labels)


def _degrees(values: Sequence[float], positive: str, negative: str) -> list[str]:
    values = [value - 360 * round(value / 360) for value in values]  # 190 degrees east is west
    letters = [positive if value > 0 else negative if value < 0 else "" for value in values]
    texts = tick_texts([abs(value) for value in values])
    return [f"{text}°{letter}" for text, letter in zip(texts, letters, strict=True)]


def _square(chip: ChipScore, bounds: Bounds, limits: tuple[float, float], view: _View) -> str:
    west, south, east, north = bounds
    left, right, top, bottom = view.x(west), view.x(east), view.y(north), view.y(south)
    width, height = max(right - left, _LEAST_SIDE), max(bottom - top, _LEAST_SIDE)
    x, y = (left + right - width) / 2, (top + bottom - height) / 2
    scored = chip.score == chip.score
    fill = css_color(score_color(chip.score, limits)) if scored else "none"
    text = f"{chip.score:.3g}" if scored else "no label"
    return (
        f'<rect class="chip" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{fill}"><title>{escape(Path(chip.filename).name)}: {text}</title></rect>'
    )


def _scale_bar(view: _View) -> str:
    metres = round_length(0.22 * view.width / view.scale * METRES_PER_DEGREE)
    length = metres / METRES_PER_DEGREE * view.scale
    text = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    x, y = _MARGIN + 14, _MARGIN + view.height - 14
    return (
        f'<path class="scale-bar" d="M{x} {y - 5:.1f}V{y:.1f}H{x + length:.1f}V{y - 5:.1f}"/>'
        f'<text class="scale-text" x="{x + length / 2:.1f}" y="{y - 8:.1f}" text-anchor="middle">'
        f"{text}</text>"
    )
