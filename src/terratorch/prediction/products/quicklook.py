"""A picture of a map, with scene and labels, a legend or a scale of values, and a scale bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from terratorch.drawing.maps import DrawnMap, legend, paint, read_image, read_map
from terratorch.drawing.paint import ValueRange
from terratorch.drawing.panels import (
    ClassLegend,
    ImagePanel,
    ValueScale,
    draw_panels,
    save_figure,
)
from terratorch.geo.raster import open_raster
from terratorch.prediction.products.products import FinishedMap, MapProduct

# Pixels of the longer side of a panel, by the number of panels; the last for more.
_LONGEST = (1024, 760, 620, 520)
_SHORTEST = 480  # a smaller map is enlarged by a whole number
_MAX_BANDS = 12


class QuicklookProduct(MapProduct):
    """A PNG of the main layer, with a legend of classes or a scale of values, and a scale bar."""

    name: ClassVar[str] = "picture"
    suffix = ".png"

    def make(self, finished: FinishedMap, path: Path) -> None:
        """Draw it."""
        if finished.draw is not None:
            finished.draw(finished, path)
            return
        quicklook(finished.path, path, title=Path(finished.image).stem)


def quicklook(
    map_path: str | Path,
    png_path: str | Path,
    image_path: str | Path | None = None,
    labels_path: str | Path | None = None,
    title: str | None = None,
    attribution: str | None = None,
    rgb: Sequence[int] | None = None,
) -> Path:
    """Draw a map as PNG; the file appears when it is complete.

    Large rasters are read at a lower resolution, so that memory does not depend on their size.

    Args:
        map_path: A map that `terratorch predict` wrote: classes, or values; each of several bands
            has a panel.
        png_path: The picture.
        image_path: The image that was predicted, drawn next to the map.
        labels_path: Labels of the same classes or values, drawn between them.
        title: A heading.
        attribution: The source of the data, written below.
        rgb: The bands of the image for red, green and blue, counted from 1; None finds them by
            their names. An image with fewer bands is drawn in grey.

    Returns:
        `png_path`.
    """
    has_neighbours = image_path is not None or labels_path is not None
    maps = _read_bands(map_path, (image_path is not None) + (labels_path is not None))
    limits = _shared_limits(maps)
    panels = [
        ImagePanel(paint(drawn, limits), drawn.label, "" if limits else _range(drawn))
        for drawn in maps
    ]
    if len(maps) == 1:
        panels = [replace(panels[0], title="Map" if has_neighbours else "", note="")]
    longest = max(maps[0].pixels.shape)
    if labels_path is not None:
        labels = read_map(labels_path, longest=longest)
        labels = replace(labels, class_names=maps[0].class_names, colors=maps[0].colors)
        panels.insert(0, ImagePanel(paint(labels, limits), "Labels"))
    if image_path is not None:
        panels.insert(0, ImagePanel(read_image(image_path, rgb, longest), "Scene"))
    is_single_map = maps[0].class_names is not None
    times = _enlargement(maps[0], len(panels))
    height, width = maps[0].pixels.shape
    metres = maps[0].metres_per_pixel
    label = maps[0].label if len(maps) == 1 else ""
    figure = draw_panels(
        panels,
        (width * times, height * times),
        ClassLegend(legend(maps[0])) if is_single_map else ValueScale(limits, label),
        columns=_columns(len(panels), maps[0].is_tall),
        title=title,
        attribution=attribution,
        metres_per_pixel=None if metres is None else metres / times,
    )
    save_figure(figure, Path(png_path))
    return Path(png_path)


def _read_bands(path: str | Path, neighbours: int) -> list[DrawnMap]:
    """Return the bands of a map, each small enough for its panel."""
    with open_raster(path) as dataset:
        count = min(dataset.count, _MAX_BANDS)
    longest = _longest(count + neighbours)
    return [read_map(path, band, longest) for band in range(1, count + 1)]


def _shared_limits(maps: Sequence[DrawnMap]) -> ValueRange | None:
    """Return the ends of the scale of all bands; None for classes, or if each has its own."""
    if maps[0].class_names is not None:
        return None
    if len(maps) == 1:
        return maps[0].limits
    ends = [drawn.limits for drawn in maps]
    are_shares = all(low >= 0 and high <= 1 for low, high in ends)  # such as probabilities
    return (0.0, 1.0) if are_shares else None


def _range(drawn: DrawnMap) -> str:
    low, high = drawn.limits
    return f"{low:.3g} to {high:.3g}"


def _longest(panels: int) -> int:
    return _LONGEST[min(panels, len(_LONGEST)) - 1]


def _enlargement(drawn: DrawnMap, panels: int) -> int:
    """Return by how much the pixels of a small map are enlarged."""
    side = max(drawn.pixels.shape)
    return max(1, min(math.ceil(_SHORTEST / side), _longest(panels) // side))


def _columns(count: int, is_tall: bool) -> int:
    """Return how many panels are in a row: up to three, more are arranged nearly as a square."""
    if count <= 3:
        return count if is_tall or count == 3 else 1
    return math.ceil(math.sqrt(count))
