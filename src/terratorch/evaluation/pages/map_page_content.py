"""The content of a map page: layers, legend, facts, and the data of its script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from terratorch.colors import Color, color_ramp
from terratorch.drawing.maps import share_text
from terratorch.evaluation.pages.map_page_layers import (
    HIDDEN,
    TILE,
    VALUE_STEPS,
    PageLayer,
    SceneLayer,
    ValueLayer,
)
from terratorch.evaluation.pages.map_page_location import MapLocation
from terratorch.evaluation.pages.map_page_pyramid import Pyramid
from terratorch.evaluation.ramps import ramp_of

_NAMES = {"scene": "Scene", "labels": "Labels", "map": "Map"}
_TICKS = 3
_RAMP_STOPS = 16
_SCRIPTS = ("map_page_location.js", "map_page_tiles.js", "map_page.js")


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
    """Everything that a map page shows.

    Attributes:
        title: The heading.
        shape: Height and width of the map.
        step: Pixels of the map per pixel shown, along one side.
        location: Where the map is.
        layers: `map`, and optionally `scene` and `labels`.
        class_names: None for a map of values.
        colors: Colours of the classes.
        band: The band of the map that is shown, counted from 1.
        band_name: Its description, which may be empty.
        bands: Number of bands of the map.
    """

    title: str
    shape: tuple[int, int]
    step: int
    location: MapLocation
    layers: Mapping[str, ShownLayer]
    class_names: Sequence[str] | None
    colors: Sequence[Color]
    band: int
    band_name: str
    bands: int

    @property
    def shown_metres(self) -> float | None:
        """The width of a shown pixel, None if it is not known."""
        return None if self.location.metres is None else self.location.metres * self.step

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the scale of a map of values."""
        drawn = self.layers["map"].layer
        assert isinstance(drawn, ValueLayer)
        return drawn.limits

    def context(self) -> dict[str, object]:
        """Return the variables of the template."""
        is_classes = self.class_names is not None
        name = self.band_name if self.bands > 1 or not is_classes else ""
        return {
            "title": self.title,
            "size": self._size(),
            "step": self.step,
            "resolution": self._resolution(),
            "others": [_NAMES[name].lower() for name in self.layers if name != "map"],
            "heading": name or ("Classes" if is_classes else "Values"),
            "legend": self._class_legend() if is_classes else None,
            "ramp": None if is_classes else color_ramp(ramp_of(*self.limits), _RAMP_STOPS),
            "facts": list(self._facts()),
            "data": self._data(),
            "scripts": _SCRIPTS,
        }

    def _size(self) -> str:
        height, width = self.shape
        pixels = f"{width:,} x {height:,} pixels"
        metres = self.location.metres
        return pixels if metres is None else f"{pixels} of {metres:.3g} m"

    def _resolution(self) -> str:
        part = f"1/{self.step} of the resolution"
        metres = self.shown_metres
        return part if metres is None else f"{part} ({metres:.3g} m per pixel)"

    def _facts(self) -> Iterator[tuple[str, str]]:
        for name, layer in self.layers.items():
            text = layer.file
            if isinstance(layer.layer, SceneLayer):
                bands = layer.layer.bands
                is_grey = len(set(bands)) == 1
                text += f", band {bands[0]}" if is_grey else f", bands {', '.join(map(str, bands))}"
            elif name == "map" and self.bands > 1:
                text += f", band {self.band} of {self.bands}"
            yield _NAMES[name], text
        yield "Size", self._size()
        if self.step > 1:
            yield "Shown", self._resolution()
        if self.location.crs:
            yield "CRS", self.location.crs

    def _class_legend(self) -> _ClassLegend:
        """Return the classes that occur, each with its share of the valid pixels of each layer."""
        counts = {
            _NAMES[name]: layer.pyramid.counts
            for name, layer in self.layers.items()
            if not isinstance(layer.layer, SceneLayer)
        }
        occurring = np.flatnonzero(sum(counts.values()))
        return {
            "headings": list(counts),
            "rows": {
                index: [_share(count, index) for count in counts.values()]
                for index in occurring.tolist()
                if index != HIDDEN
            },
            "has_nodata": HIDDEN in occurring,
        }

    def _data(self) -> dict[str, object]:
        """Return the data of the script."""
        height, width = self.shape
        layers = [
            {
                "id": name,
                "name": _NAMES[name],
                "kind": layer.layer.kind,
                "mime": layer.layer.mime,
                "levels": [asdict(level) for level in layer.pyramid.levels],
            }
            for name, layer in self.layers.items()
        ]
        data: dict[str, object] = {
            "width": width,
            "height": height,
            "step": self.step,
            "tile": TILE,
            "location": asdict(self.location),
            "layers": layers,
            "classes": None,
            "scale": None,
        }
        if self.class_names is not None:
            pairs = zip(self.class_names, self.colors, strict=True)
            data["classes"] = [{"name": name, "color": color} for name, color in pairs]
        else:
            low, high = self.limits
            first, *between, last = (f"{value:.3g}" for value in np.linspace(low, high, _TICKS))
            # Values beyond the ends have their colours.
            ticks = [f"\u2264 {first}", *between, f"\u2265 {last}"]
            colors = color_ramp(ramp_of(low, high), VALUE_STEPS)
            data["scale"] = {"low": low, "high": high, "colors": colors, "ticks": ticks}
        return data


class _ClassLegend(TypedDict):
    """The legend of classes: headings of the columns, and texts by class."""

    headings: list[str]
    rows: dict[int, list[str]]
    has_nodata: bool


def _share(counts: np.ndarray, index: int) -> str:
    count, total = int(counts[index]), int(counts[:HIDDEN].sum())
    return share_text(count, total) if count else "-"
