"""Panels side by side with titles, a legend or a scale, and a scale bar, as one matplotlib figure.

Panels have a size in pixels, so that the pixels of a map are enlarged by whole numbers: layouts of
matplotlib resample them. Everything is inside the figure, so that loggers show it whole.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from terratorch.colors import Color
from terratorch.drawing.paint import ValueRange
from terratorch.drawing.round_numbers import round_length
from terratorch.geo.partial_file import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

_Rectangle = tuple[float, float, float, float]  # left, bottom, width and height

_INK, _FAINT, _LINE = "#1f2328", "#6e7681", "#d0d7de"
_DPI = 100
# Pixels of a figure at this width; text and gaps grow with wider figures.
_SHEET_WIDTH, _LARGEST_UNIT = 1100, 2.0
_MARGIN, _GAP, _TITLE, _NAME, _LINE_HEIGHT, _NOTICE = 20, 14, 36, 24, 18, 18
_BAR_WIDTH, _BAR_HEIGHT = 260, 12  # of a scale of values
_MIN_WIDTH = 420  # makes room for the legend of a narrow map
_MAX_ENTRIES = 24
_TITLE_SIZE, _TEXT_SIZE, _SMALL_SIZE = 15.0, 11.0, 8.5  # points
_COMPRESSION = 1  # of PNG; more takes twice the time and saves a fifth


@dataclass(frozen=True)
class ImagePanel:
    """One of the pictures of a figure.

    Attributes:
        pixels: Colours, `(h, w, 3)`.
        title: Written above, at the left.
        note: Written above, at the right.
    """

    pixels: NDArray[np.uint8]
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class ClassLegend:
    """Colour and text of each class, in their order."""

    entries: Sequence[tuple[Color, str]]


@dataclass(frozen=True)
class ValueScale:
    """A scale of values; without limits each panel has its own, and the ends are low and high."""

    limits: ValueRange | None
    label: str = ""


def draw_panels(
    panels: Sequence[ImagePanel],
    size: tuple[int, int],
    key: ClassLegend | ValueScale | None = None,
    *,
    columns: int | None = None,
    title: str | None = None,
    attribution: str | None = None,
    metres_per_pixel: float | None = None,
) -> Figure:
    """Draw panels row by row.

    Args:
        panels: What to draw.
        size: Width and height of each panel in pixels of the figure.
        key: Drawn below the panels.
        columns: Panels in a row; all by default.
        title: Written above.
        attribution: Written at the bottom, in as many lines as it takes.
        metres_per_pixel: Of the figure; adds a scale bar.
    """
    # Without pyplot, which keeps figures open and must run in the main thread.
    from matplotlib.figure import Figure

    columns = columns or len(panels)
    width, height = size
    layout = _SheetLayout(columns, width)
    lines = max(f"{panel.title}{panel.note}".count("\n") + 1 for panel in panels)
    named = any(panel.title or panel.note for panel in panels)
    heading = layout.pixels((_NAME - _LINE_HEIGHT + lines * _LINE_HEIGHT) * named)
    row = heading + height + layout.gap
    top = layout.margin + layout.pixels(_TITLE if title else 0)
    bottom = top + math.ceil(len(panels) / columns) * row
    bar = _scale_bar_length(metres_per_pixel, max(width, layout.pixels(_MIN_WIDTH)))
    figure = Figure(figsize=(layout.width / layout.dpi, 1), dpi=layout.dpi)
    room = layout.inner - (max(bar[0], layout.pixels(80)) + 2 * layout.gap if bar else 0)
    legend = _legend(figure, key, room) if isinstance(key, ClassLegend) else None
    notice = textwrap.wrap(attribution or "", layout.characters(_SMALL_SIZE))
    end = bottom + max(_key_height(layout, legend, key), layout.pixels(30 if bar else 0))
    layout.height = end + layout.pixels(_NOTICE * len(notice) + _GAP * bool(notice)) + layout.margin
    figure.set_size_inches(layout.width / layout.dpi, layout.height / layout.dpi)
    for index, panel in enumerate(panels):
        left = layout.margin + index % columns * (width + layout.gap)
        upper = top + index // columns * row + heading
        letters = layout.characters(_TEXT_SIZE, width) - len(panel.note)
        _draw_panel(figure.add_axes(layout.box(left, upper, width, height)), panel, letters)
    if legend is not None:
        legend.set_bbox_to_anchor(layout.point(layout.margin, bottom))
    elif isinstance(key, ValueScale):
        _draw_scale(figure, layout, key, bottom)
    if bar is not None:
        _draw_scale_bar(figure, layout, bottom, *bar)
    if title:
        _draw_title(figure, layout, title)
    if notice:
        x, y = layout.point(layout.margin, end + layout.gap)
        figure.text(x, y, "\n".join(notice), va="top", size=_SMALL_SIZE, color=_FAINT)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; the file appears when it is complete."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    with replacing(path) as partial:
        picture.save(partial, format="PNG", compress_level=_COMPRESSION)


class _SheetLayout:
    """Pixels from the upper left corner of a figure, as the shares that matplotlib counts in."""

    def __init__(self, columns: int, panel_width: int) -> None:
        unit = min(max(columns * panel_width / _SHEET_WIDTH, 1.0), _LARGEST_UNIT)
        self.dpi = _DPI * unit
        self.margin, self.gap = self.pixels(_MARGIN), self.pixels(_GAP)
        panels = columns * panel_width + (columns - 1) * self.gap
        self.inner = max(panels, self.pixels(_MIN_WIDTH))
        self.width = self.inner + 2 * self.margin
        self.height = 0  # known last

    def pixels(self, units: float) -> int:
        """Return pixels of the figure for those of one of ordinary width."""
        return round(units * self.dpi / _DPI)

    def characters(self, size: float, width: float | None = None) -> int:
        """Return about how many characters of a text of some points fit, by default on a line."""
        return int((width or self.inner) / (0.6 * size * self.dpi / 72))

    def point(self, left: float, top: float) -> tuple[float, float]:
        """Return a point in shares of the figure."""
        return left / self.width, 1 - top / self.height

    def box(self, left: float, top: float, width: float, height: float) -> _Rectangle:
        """Return a rectangle in shares of the figure, as `add_axes` takes it."""
        x, y = self.point(left, top + height)
        return x, y, width / self.width, height / self.height


def _draw_title(figure: Figure, layout: _SheetLayout, title: str) -> None:
    text = _fitting(title, layout.characters(_TITLE_SIZE * 1.1))
    x, y = layout.point(layout.margin, layout.margin)
    figure.suptitle(text, x=x, y=y, ha="left", size=_TITLE_SIZE, weight="bold", color=_INK)


def _fitting(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: max(letters - 1, 1)].rstrip()}…"


def _draw_panel(axes: Axes, panel: ImagePanel, letters: int) -> None:
    box = axes.get_window_extent()
    enlarged = box.width >= panel.pixels.shape[1]
    # Classes that are made smaller are averaged, so that narrow ones do not disappear.
    axes.imshow(panel.pixels, aspect="auto", interpolation="nearest" if enlarged else "antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(_LINE)
    title = "\n".join(_fitting(line, letters) for line in panel.title.split("\n"))
    axes.set_title(title, x=0, ha="left", size=_TEXT_SIZE, color=_INK)
    axes.set_title(panel.note, loc="right", size=_SMALL_SIZE, color=_FAINT)


def _legend(figure: Figure, key: ClassLegend, room: int) -> Legend:
    """Add a legend with as many columns as fit."""
    from matplotlib.patches import Patch

    more = len(key.entries) - _MAX_ENTRIES
    handles = [
        Patch(facecolor="#{:02x}{:02x}{:02x}".format(*color), edgecolor=_LINE, label=text)
        for color, text in key.entries[:_MAX_ENTRIES]
    ]
    if more > 0:
        handles.append(Patch(alpha=0, label=f"and {more} more"))

    def draw(columns: int) -> Legend:
        return figure.legend(
            handles=handles,
            ncols=columns,
            loc="upper left",
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            handlelength=1,
            handleheight=1,
            handletextpad=0.5,
            fontsize=_TEXT_SIZE,
            labelcolor=_INK,
        )

    legend = draw(len(handles))
    if legend.get_window_extent().width > room:
        legend.remove()
        legend = draw(1)
        gap = legend.columnspacing * _TEXT_SIZE * figure.dpi / 72
        columns = int((room + gap) / (legend.get_window_extent().width + gap))
        if columns > 1:
            legend.remove()
            legend = draw(columns)
    return legend


def _key_height(
    layout: _SheetLayout, legend: Legend | None, key: ClassLegend | ValueScale | None
) -> int:
    if legend is not None:
        return math.ceil(legend.get_window_extent().height)
    if isinstance(key, ValueScale):
        return layout.pixels(_BAR_HEIGHT + 22 + _NAME * bool(key.label))
    return 0


def _draw_scale(figure: Figure, layout: _SheetLayout, key: ValueScale, top: int) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    if key.label:
        x, y = layout.point(layout.margin, top)
        figure.text(x, y, key.label, va="top", size=_TEXT_SIZE, color=_INK)
        top += layout.pixels(_NAME)
    # The first number is centred below the end of the bar, and needs room on the left.
    box = (layout.margin + layout.gap, top, layout.pixels(_BAR_WIDTH), layout.pixels(_BAR_HEIGHT))
    low, high = key.limits or (0.0, 1.0)
    drawn = ScalarMappable(Normalize(low, high if high > low else low + 1), "viridis")
    axes = figure.add_axes(layout.box(*box))
    bar = figure.colorbar(drawn, cax=axes, orientation="horizontal", ticks=MaxNLocator(6))
    if key.limits is None:
        bar.set_ticks([0.0, 1.0], labels=["low", "high"])
    elif low == high:
        bar.set_ticks([low])
    bar.outline.set_visible(False)
    axes.tick_params(labelsize=_SMALL_SIZE, color=_FAINT, labelcolor=_INK, length=3)


def _scale_bar_length(metres_per_pixel: float | None, width: int) -> tuple[int, str] | None:
    """Return the pixels of a scale bar of a quarter of a width at most, and its text."""
    if not metres_per_pixel:
        return None
    metres = round_length(0.25 * width * metres_per_pixel)
    text = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    return round(metres / metres_per_pixel), text


def _draw_scale_bar(figure: Figure, layout: _SheetLayout, top: int, length: int, text: str) -> None:
    from matplotlib.lines import Line2D

    right, bottom = layout.margin + layout.inner, top + layout.pixels(22)
    tick = bottom - layout.pixels(5)
    corners = ((right - length, tick), (right - length, bottom), (right, bottom), (right, tick))
    xs, ys = zip(*(layout.point(*corner) for corner in corners), strict=True)
    figure.add_artist(Line2D(xs, ys, color=_INK, lw=1.5))
    x, y = layout.point(right - length / 2, top)
    figure.text(x, y, text, ha="center", va="top", size=_SMALL_SIZE, color=_INK)
