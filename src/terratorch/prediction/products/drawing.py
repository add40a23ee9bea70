"""Draw panels of pixels with a title, a key and a scale bar, in Pillow: it starts in no time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from terratorch.colors import VIRIDIS, Color, color_ramp
from terratorch.prediction.products.round_numbers import round_length, ticks_within

_INK, _FAINT, _LINE, _PAPER = (31, 35, 40), (110, 118, 129), (208, 215, 222), (255, 255, 255)

# In units that are pixels of a sheet of this width; on a wider one they grow.
_SHEET = 1100
_LARGEST_UNIT = 2.0
_MARGIN, _GAP = 20, 14
_TITLE, _TEXT, _SMALL = 21, 15, 12
_SWATCH = 14
_BAR = 260, 12  # of a scale of values, without its numbers
_LEAST_WIDTH = 420  # for the key of a narrow map
_MOST_ENTRIES = 24


@dataclass(frozen=True)
class Panel:
    """One of the pictures side by side.

    Attributes:
        pixels: Colours, `(h, w, 3)`.
        name: What it is, written above.
        note: More of it, at the right.
    """

    pixels: NDArray[np.uint8]
    name: str = ""
    note: str = ""


class Key(Protocol):
    """What says which colour means what."""

    def height(self, pen: Pen, width: int) -> int:
        """Return how many pixels it takes within this width."""
        ...

    def draw(self, pen: Pen, left: int, top: int, width: int) -> None:
        """Draw it."""
        ...


@dataclass(frozen=True)
class Sheet:
    """A picture to be drawn.

    Attributes:
        panels: Row by row.
        columns: Panels in a row.
        size: Width and height of each panel in pixels.
        key: Below the panels.
        title: Above them.
        attribution: At the bottom.
        metres: Of a pixel of a panel, None where that is not known.
    """

    panels: Sequence[Panel]
    columns: int
    size: tuple[int, int]
    key: Key
    title: str | None = None
    attribution: str | None = None
    metres: float | None = None

    def draw(self) -> Image.Image:
        """Return the picture."""
        columns, (width, height) = self.columns, self.size
        unit = min(max(columns * width / _SHEET, 1.0), _LARGEST_UNIT)
        pen = Pen(unit)
        margin, gap = pen(_MARGIN), pen(_GAP)
        inner = max(columns * width + (columns - 1) * gap, pen(_LEAST_WIDTH))
        named = any(panel.name or panel.note for panel in self.panels)
        row = height + gap + (pen(_TEXT + 9) if named else 0)
        bar = self._bar(pen)
        key_width = inner - (0 if bar is None else bar.width + 2 * gap)
        title = pen(_TITLE + 15) if self.title else 0
        grid = math.ceil(len(self.panels) / columns) * row
        key = max(self.key.height(pen, key_width), 0 if bar is None else bar.height)
        lines = pen.wrapped(self.attribution or "", _SMALL, inner)
        notice = pen(_SMALL + 6) * len(lines) + (gap if lines else 0)
        pen.open(inner + 2 * margin, 2 * margin + title + grid + key + notice)
        top = margin
        if self.title:
            pen.text(self.title, margin, top, _TITLE, bold=True, width=inner)
            top += title
        for index, panel in enumerate(self.panels):
            left = margin + index % columns * (width + gap)
            self._draw_panel(pen, panel, left, top + index // columns * row, row - gap - height)
        top += grid
        self.key.draw(pen, margin, top, key_width)
        if bar is not None:
            bar.draw(pen, margin + inner - bar.width, top)
        for index, line in enumerate(lines):
            pen.text(line, margin, top + key + gap + index * pen(_SMALL + 6), _SMALL, _FAINT)
        return pen.image

    def _draw_panel(self, pen: Pen, panel: Panel, left: int, top: int, heading: int) -> None:
        width, height = self.size
        note = pen.length(panel.note, _SMALL)
        pen.text(panel.name, left, top, _TEXT, width=width - note - pen(_GAP))
        pen.text(panel.note, left + width - note, top + pen(3), _SMALL, _FAINT)
        picture = Image.fromarray(panel.pixels)
        if picture.size != self.size:
            shrinks = picture.width > width
            how = Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST
            picture = picture.resize(self.size, how)
        pen.image.paste(picture, (left, top + heading))
        frame = (left - 1, top + heading - 1, left + width, top + heading + height)
        pen.canvas.rectangle(frame, outline=_LINE)

    def _bar(self, pen: Pen) -> _ScaleBar | None:
        if not self.metres:
            return None
        longest = 0.25 * max(self.size[0], pen(_LEAST_WIDTH))
        metres = round_length(longest * self.metres)
        text = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
        length = round(metres / self.metres)
        return _ScaleBar(length, text, max(length, pen.length(text, _SMALL)), pen(_SMALL + 16))


@dataclass(frozen=True)
class _ScaleBar:
    length: int
    text: str
    width: int
    height: int

    def draw(self, pen: Pen, left: int, top: int) -> None:
        begin = left + self.width - self.length
        pen.text(self.text, begin + (self.length - pen.length(self.text, _SMALL)) // 2, top, _SMALL)
        low = top + pen(_SMALL + 9)
        pen.canvas.rectangle((begin, low, begin + self.length, low + pen(3) - 1), fill=_INK)
        for end in (begin, begin + self.length - pen(1)):
            pen.canvas.rectangle((end, low - pen(4), end + pen(1), low), fill=_INK)


class Pen:
    """Writes on an image, in units that grow with it.

    Args:
        unit: Pixels of a unit.

    Attributes:
        image: What it writes on, once it is opened.
        canvas: Draws on it.
    """

    image: Image.Image
    canvas: ImageDraw.ImageDraw

    def __init__(self, unit: float) -> None:
        self.unit = unit

    def __call__(self, units: float) -> int:
        """Return units in pixels."""
        return round(units * self.unit)

    def open(self, width: int, height: int) -> None:
        """Take a new sheet of paper."""
        self.image = Image.new("RGB", (width, height), _PAPER)
        self.canvas = ImageDraw.Draw(self.image)

    def length(self, text: str, size: int, bold: bool = False) -> int:
        """Return how many pixels wide a text is."""
        return math.ceil(_font(self(size), bold).getlength(text))

    def text(
        self,
        text: str,
        left: int,
        top: int,
        size: int,
        color: Color = _INK,
        bold: bool = False,
        width: int | None = None,
    ) -> None:
        """Write a line, cut off with an ellipsis where it is longer than a width."""
        if width is not None:
            text = self.fitting(text, size, width, bold)
        # From the ascender: lines with and without long letters stand on one level.
        self.canvas.text((left, top), text, font=_font(self(size), bold), fill=color, anchor="la")

    def fitting(self, text: str, size: int, width: int, bold: bool = False) -> str:
        """Return as much of a text as fits into a width."""
        if self.length(text, size, bold) <= width:
            return text
        while text and self.length(text + "…", size, bold) > width:
            text = text[:-1]
        return text.rstrip() + "…"

    def wrapped(self, text: str, size: int, width: int) -> list[str]:
        """Return the lines of a text within a width."""
        lines: list[str] = []
        for word in text.split():
            if lines and self.length(f"{lines[-1]} {word}", size) <= width:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
        return lines


@lru_cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which comes with matplotlib; that need not be imported for it."""
    package = find_spec("matplotlib")
    assert package is not None, "it is one of our requirements"
    assert package.submodule_search_locations, "it is a package"
    folder = package.submodule_search_locations[0]
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(folder, "mpl-data", "fonts", "ttf", name)), size)


@dataclass(frozen=True)
class ClassKey:
    """A legend: a colour and a text for each class, as many in a line as fit.

    Attributes:
        entries: Colours and texts, in their order.
    """

    entries: Sequence[tuple[Color, str]]

    @cached_property
    def _shown(self) -> list[tuple[Color | None, str]]:
        shown: list[tuple[Color | None, str]] = list(self.entries[:_MOST_ENTRIES])
        more = len(self.entries) - len(shown)
        return [*shown, (None, f"and {more} more")] if more else shown

    def height(self, pen: Pen, width: int) -> int:
        """Return how many pixels it takes within this width."""
        places = self._places(pen, width)
        return (places[-1][1] if places else 0) + pen(_TEXT + 6)

    def draw(self, pen: Pen, left: int, top: int, width: int) -> None:
        """Draw it."""
        for (color, text), (x, y) in zip(self._shown, self._places(pen, width), strict=True):
            begin, upper = left + x, top + y + pen(2)
            if color is not None:
                box = (begin, upper, begin + pen(_SWATCH), upper + pen(_SWATCH))
                pen.canvas.rectangle(box, fill=color, outline=_LINE)
                begin += pen(_SWATCH + 7)
            pen.text(text, begin, top + y, _TEXT, width=left + width - begin)

    def _places(self, pen: Pen, width: int) -> list[tuple[int, int]]:
        """Return where entries begin: one after the other, in columns if that is too long."""
        gap = pen(22)
        needed = [
            pen.length(text, _TEXT) + (0 if color is None else pen(_SWATCH + 7)) + gap
            for color, text in self._shown
        ]
        ends = [0, *accumulate(needed)]
        if ends[-1] - gap <= width:
            return [(x, 0) for x in ends[:-1]]
        column, line = max(needed), pen(_TEXT + 11)
        columns = max((width + gap) // column, 1)
        return [(index % columns * column, index // columns * line) for index in range(len(needed))]


@dataclass(frozen=True)
class ValueKey:
    """A scale of values.

    Attributes:
        label: What the values are.
        limits: Its ends, None where each panel has its own.
    """

    label: str
    limits: tuple[float, float] | None

    def height(self, pen: Pen, width: int) -> int:
        """Return how many pixels it takes within this width."""
        return pen(_BAR[1] + 6 + _SMALL + 5)

    def draw(self, pen: Pen, left: int, top: int, width: int) -> None:
        """Draw it."""
        label = pen.fitting(self.label, _TEXT, max(width - pen(_BAR[0] + 60), 0))
        pen.text(label, left, top - pen(2), _TEXT)
        begin = left + pen.length(label, _TEXT) + pen(26 if label else 14)
        length, high = pen(_BAR[0]), pen(_BAR[1])
        ramp = np.array([color_ramp(VIRIDIS, length)], np.uint8).repeat(high, axis=0)
        pen.image.paste(Image.fromarray(ramp), (begin, top))
        written = 0
        for share, text in self._marks():
            x = begin + round(share * (length - 1))
            pen.canvas.rectangle((x, top + high, x, top + high + pen(3)), fill=_FAINT)
            needed = pen.length(text, _SMALL)
            if x - needed // 2 >= written:  # long numbers would run into each other
                pen.text(text, x - needed // 2, top + high + pen(6), _SMALL)
                written = x + needed // 2 + pen(6)

    def _marks(self) -> list[tuple[float, str]]:
        """Return numbers and where they stand, 0 to 1."""
        if self.limits is None:
            return [(0.0, "low"), (1.0, "high")]
        low, high = self.limits
        marks = ticks_within(low, high)
        return [((mark - low) / ((high - low) or 1), f"{mark:.6g}") for mark in marks]
