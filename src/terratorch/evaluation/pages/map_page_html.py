"""What stands in a map page: layers, legend, facts, and the data of its script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from terratorch.colors import VIRIDIS, Color, color_ramp
from terratorch.drawing.maps import share_text
from terratorch.evaluation.pages.map_page_layers import (
    HIDDEN,
    TILE,
    VALUE_STEPS,
    PageLayer,
    SceneLayer,
    ValueLayer,
)
from terratorch.evaluation.pages.map_page_place import Place
from terratorch.evaluation.pages.map_page_pyramid import Pyramid
from terratorch.evaluation.pages.page import asset, escape, json_script, render_page

_SCRIPTS = ("map_page_tiles.js", "map_page_view.js", "map_page_place.js", "map_page.js")
_NAMES = {"scene": "Scene", "labels": "Labels", "map": "Map"}
_TICKS = 3


@dataclass(frozen=True)
class ShownLayer:
    """A layer with its tiles."""

    layer: PageLayer
    pyramid: Pyramid

    @property
    def file(self) -> str:
        """The name of its file."""
        return Path(self.layer.dataset.name).name


@dataclass(frozen=True)
class ShownMap:
    """All that a page shows.

    Attributes:
        title: The heading.
        shape: Height and width of the map.
        step: Pixels of the map to one that is shown.
        place: Where the map lies.
        layers: `map`, and `scene` and `labels` where they are given.
        class_names: None for a map of values.
        colors: Of the classes.
        band: Which band of the map is shown, counted from 1.
        band_name: Its description, which may be empty.
        bands: How many the map has.
    """

    title: str
    shape: tuple[int, int]
    step: int
    place: Place
    layers: Mapping[str, ShownLayer]
    class_names: Sequence[str] | None
    colors: Sequence[Color]
    band: int
    band_name: str
    bands: int

    @property
    def shown_metres(self) -> float | None:
        """The width of a pixel that is shown, None where it is not known."""
        return None if self.place.metres is None else self.place.metres * self.step

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the scale of a map of values."""
        drawn = self.layers["map"].layer
        assert isinstance(drawn, ValueLayer)
        return drawn.limits


def map_page_html(shown: ShownMap) -> str:
    """Return the page."""
    others = [_NAMES[name].lower() for name in shown.layers if name != "map"]
    is_classes = shown.class_names is not None
    what = shown.band_name if shown.bands > 1 or not is_classes else ""
    body = Template(asset("map_page.html")).substitute(
        label=escape(f"{shown.title}: arrow keys move, plus and minus zoom, 0 shows all of it"),
        other=escape(" or ".join(others) or "nothing"),
        checks="\n".join(_checks(shown)),
        legend_heading=escape(what or ("Classes" if is_classes else "Values")),
        legend=_class_legend(shown) if is_classes else _value_legend(shown.limits),
        facts="\n".join(
            f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in _facts(shown)
        ),
        data=json_script("map-data", _data(shown)),
    )
    return render_page(
        shown.title, body, styles=["map_page.css"], scripts=_SCRIPTS, subtitle=_subtitle(shown)
    )


def _subtitle(shown: ShownMap) -> str:
    if shown.step == 1:
        return escape(_size(shown))
    return escape(f"{_size(shown)}, shown at {_resolution(shown)}")


def _size(shown: ShownMap) -> str:
    height, width = shown.shape
    pixels = f"{width:,} x {height:,} pixels"
    metres = shown.place.metres
    return pixels if metres is None else f"{pixels} of {metres:.3g} m"


def _resolution(shown: ShownMap) -> str:
    part = f"1/{shown.step} of the resolution"
    metres = shown.shown_metres
    return part if metres is None else f"{part} ({metres:.3g} m per pixel)"


def _facts(shown: ShownMap) -> Iterator[tuple[str, str]]:
    for name, layer in shown.layers.items():
        text = layer.file
        if isinstance(layer.layer, SceneLayer):
            bands = layer.layer.bands
            same = len(set(bands)) == 1
            text += f", band {bands[0]}" if same else f", bands {', '.join(map(str, bands))}"
        elif name == "map" and shown.bands > 1:
            text += f", band {shown.band} of {shown.bands}"
        yield _NAMES[name], text
    yield "Size", _size(shown)
    if shown.step > 1:
        yield "Shown", _resolution(shown)
    if shown.place.crs:
        yield "CRS", shown.place.crs


def _checks(shown: ShownMap) -> Iterator[str]:
    for name in reversed(list(shown.layers)):
        yield f'<label><input type="checkbox" data-layer="{name}" checked> {_NAMES[name]}</label>'


def _class_legend(shown: ShownMap) -> str:
    """Return a table of the classes that occur, each with its share of the valid pixels."""
    assert shown.class_names is not None
    counts = {
        name: layer.pyramid.counts
        for name, layer in shown.layers.items()
        if not isinstance(layer.layer, SceneLayer)
    }
    heads = "".join(f"<th>{_NAMES[name]}</th>" for name in counts) if len(counts) > 1 else ""
    rows = [f"<tr><th>Class</th>{heads}</tr>"] if heads else []
    for index, name in enumerate(shown.class_names):
        if any(count[index] for count in counts.values()):
            swatch = _swatch(shown.colors[index])
            button = (
                f'<button type="button" data-class="{index}" aria-pressed="true" '
                f'title="Show or hide this class">{swatch}{escape(name)}</button>'
            )
            rows.append(_row(button, [_share(count, index) for count in counts.values()]))
    if any(count[HIDDEN] for count in counts.values()):
        cell = '<span class="none"><i class="swatch nodata"></i>no data</span>'
        rows.append(_row(cell, [""] * len(counts)))
    return f"<table>{''.join(rows)}</table>"


def _row(first: str, others: Sequence[str]) -> str:
    return f"<tr><td>{first}</td>{''.join(f'<td>{escape(text)}</td>' for text in others)}</tr>"


def _share(counts: Any, index: int) -> str:
    count, total = int(counts[index]), int(counts[:HIDDEN].sum())
    return share_text(count, total) if count else "-"


def _swatch(color: Color) -> str:
    return f'<i class="swatch" style="background:rgb{color}"></i>'


def _value_legend(limits: tuple[float, float]) -> str:
    stops = ",".join(f"rgb{color}" for color in color_ramp(VIRIDIS, 16))
    low, *between, high = _ticks(limits)
    # A few values lie beyond the ends, and have their colours.
    texts = (f"\u2264 {low}", *between, f"\u2265 {high}")
    ticks = "".join(f"<span>{escape(text)}</span>" for text in texts)
    return (
        f'<div class="ramp" style="background:linear-gradient(90deg,{stops})">'
        f'<i id="mark" hidden></i></div><div class="ticks">{ticks}</div>'
    )


def _ticks(limits: tuple[float, float]) -> list[str]:
    return [f"{value:.3g}" for value in np.linspace(*limits, _TICKS)]


def _data(shown: ShownMap) -> dict[str, Any]:
    """Return what the script reads."""
    height, width = shown.shape
    data: dict[str, Any] = {
        "width": width,
        "height": height,
        "step": shown.step,
        "tile": TILE,
        "place": asdict(shown.place),
        "layers": [
            {
                "id": name,
                "name": _NAMES[name],
                "kind": layer.layer.kind,
                "mime": layer.layer.mime,
                "levels": [asdict(level) for level in layer.pyramid.levels],
            }
            for name, layer in shown.layers.items()
        ],
        "classes": None,
        "scale": None,
    }
    if shown.class_names is not None:
        pairs = zip(shown.class_names, shown.colors, strict=True)
        data["classes"] = [{"name": name, "color": color} for name, color in pairs]
    else:
        low, high = shown.limits
        colors = color_ramp(VIRIDIS, VALUE_STEPS)
        texts = _ticks(shown.limits)
        data["scale"] = {"low": low, "high": high, "colors": colors, "texts": texts}
    return data
