"""The content of a map page: layers, legend, facts, and the data of its script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TypedDict

import numpy as np

from terratorch.colors import color_ramp
from terratorch.drawing.maps import class_colors, share_text
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
from terratorch.geo.types import DatasetReader

_NAMES = {"scene": "Scene", "labels": "Labels", "map": "Map"}
_TICKS = 3
_SCRIPTS = ("map_page_location.js", "map_page_tiles.js", "map_page.js")


@dataclass(frozen=True)
class ShownMap:
    """Everything that a map page shows.

    Attributes:
        title: The heading.
        dataset: The open map.
        band: The band that is shown, counted from 1.
        class_names: None for a map of values.
        step: Pixels of the map per shown pixel, along one side.
        layers: `map`, and optionally `scene` and `labels`.
        pyramids: The tiles of each layer.
    """

    title: str
    dataset: DatasetReader
    band: int
    class_names: Sequence[str] | None
    step: int
    layers: Mapping[str, PageLayer]
    pyramids: Mapping[str, Pyramid]

    @cached_property
    def location(self) -> MapLocation:
        """Where the map is."""
        return MapLocation.of(self.dataset)

    @property
    def shown_metres(self) -> float | None:
        """The width of a shown pixel, None if unknown."""
        return None if self.location.metres is None else self.location.metres * self.step

    def context(self) -> dict[str, object]:
        """Return the variables of the template."""
        is_classes = self.class_names is not None
        described = self.dataset.descriptions[self.band - 1] or ""
        name = described if self.dataset.count > 1 or not is_classes else ""
        data = self._data()
        return {
            "title": self.title,
            "size": self._size(),
            "step": self.step,
            "resolution": self._resolution(),
            "others": [_NAMES[name].lower() for name in self.layers if name != "map"],
            "heading": name or ("Classes" if is_classes else "Values"),
            "legend": self._class_legend() if is_classes else None,
            "facts": list(self._facts()),
            "data": data,
            "scripts": _SCRIPTS,
        }

    def _size(self) -> str:
        pixels = f"{self.dataset.width:,} x {self.dataset.height:,} pixels"
        metres = self.location.metres
        return pixels if metres is None else f"{pixels} of {metres:.3g} m"

    def _resolution(self) -> str:
        part = f"1/{self.step} of the resolution"
        metres = self.shown_metres
        return part if metres is None else f"{part} ({metres:.3g} m per pixel)"

    def _facts(self) -> Iterator[tuple[str, str]]:
        for name, layer in self.layers.items():
            text = Path(layer.dataset.name).name
            if isinstance(layer, SceneLayer):
                bands = sorted(set(layer.bands), key=layer.bands.index)
                text += f", band{'s' * (len(bands) > 1)} {', '.join(map(str, bands))}"
            elif name == "map" and self.dataset.count > 1:
                text += f", band {self.band} of {self.dataset.count}"
            yield _NAMES[name], text
        yield "Size", self._size()
        if self.step > 1:
            yield "Shown", self._resolution()
        if self.location.crs:
            yield "CRS", self.location.crs

    def _class_legend(self) -> _ClassLegend:
        """Return the classes that occur, each with its share of the valid pixels of each layer."""
        counts = {
            _NAMES[name]: self.pyramids[name].counts for name in self.layers if name != "scene"
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
        layers = [
            {
                "id": name,
                "name": _NAMES[name],
                "kind": layer.kind,
                "mime": layer.mime,
                "levels": [asdict(level) for level in self.pyramids[name].levels],
            }
            for name, layer in self.layers.items()
        ]
        data: dict[str, object] = {
            "width": self.dataset.width,
            "height": self.dataset.height,
            "step": self.step,
            "tile": TILE,
            "location": asdict(self.location),
            "layers": layers,
            "classes": None,
            "scale": None,
        }
        drawn = self.layers["map"]
        if self.class_names is not None:
            colors = class_colors(self.dataset, self.class_names, self.band)
            pairs = zip(self.class_names, colors, strict=True)
            data["classes"] = [{"name": name, "color": color} for name, color in pairs]
        elif isinstance(drawn, ValueLayer):
            low, high = drawn.limits
            first, *between, last = (f"{value:.3g}" for value in np.linspace(low, high, _TICKS))
            # Values beyond the ends have their colours.
            ticks = [f"\u2264 {first}", *between, f"\u2265 {last}"]
            steps = color_ramp(ramp_of(low, high), VALUE_STEPS)
            data["scale"] = {"low": low, "high": high, "colors": steps, "ticks": ticks}
        return data


class _ClassLegend(TypedDict):
    """The legend of classes: headings of the columns, and texts by class."""

    headings: list[str]
    rows: dict[int, list[str]]
    has_nodata: bool


def _share(counts: np.ndarray, index: int) -> str:
    count, total = int(counts[index]), int(counts[:HIDDEN].sum())
    return share_text(count, total) if count else "-"
