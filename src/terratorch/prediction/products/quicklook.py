"""A picture of a map: scene and labels beside it, a legend or a scale of values, a scale bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terratorch.geo.held_file import replacing
from terratorch.geo.raster import open_raster
from terratorch.prediction.products.drawing import ClassKey, Panel, Sheet, ValueKey
from terratorch.prediction.products.painting import (
    DrawnMap,
    legend,
    paint,
    read_image,
    read_map,
)

# Pixels of the longer side of a panel, by how many there are; of more, the last.
_LONGEST = (1024, 760, 620, 520)
_SHORTEST = 480  # a smaller map is enlarged by a whole number
_MOST_BANDS = 12
_COMPRESSION = 1  # of PNG; more takes twice the time, and saves a fifth


def quicklook(
    map_path: str | Path,
    png_path: str | Path,
    image_path: str | Path | None = None,
    labels_path: str | Path | None = None,
    title: str | None = None,
    attribution: str | None = None,
    rgb: Sequence[int] | None = None,
) -> Path:
    """Draw a map as PNG, which appears when it is complete.

    Args:
        map_path: A map that `terratorch predict` wrote: classes, or values; of several bands each
            is drawn.
        png_path: The picture.
        image_path: The image that was predicted, drawn beside the map.
        labels_path: Labels of the same classes or values, drawn between them.
        title: A heading.
        attribution: Whose data it is, drawn below.
        rgb: The bands of the image for red, green and blue, counted from 1; None finds them by
            their names. An image with fewer bands is drawn in grey.

    Returns:
        `png_path`.
    """
    beside = [path for path in (image_path, labels_path) if path is not None]
    maps = _read_bands(map_path, len(beside))
    limits = _limits(maps)
    panels = [
        Panel(paint(drawn, limits), drawn.label, "" if limits else _range(drawn)) for drawn in maps
    ]
    if len(maps) == 1:
        panels = [replace(panels[0], name="Map" if beside else "", note="")]
    longest = max(maps[0].pixels.shape)
    if labels_path is not None:
        labels = read_map(labels_path, longest=longest)
        labels = replace(labels, class_names=maps[0].class_names, colors=maps[0].colors)
        panels.insert(0, Panel(paint(labels, limits), "Labels"))
    if image_path is not None:
        panels.insert(0, Panel(_bytes(read_image(image_path, rgb, longest)), "Scene"))
    sheet = _sheet(maps, panels, limits, title, attribution)
    return _save(sheet, Path(png_path))


def _read_bands(path: str | Path, beside: int) -> list[DrawnMap]:
    """Return the bands of a map, each small enough for its place."""
    with open_raster(path) as dataset:
        count = min(dataset.count, _MOST_BANDS)
    places = min(count + beside, len(_LONGEST))
    return [read_map(path, band, _LONGEST[places - 1]) for band in range(1, count + 1)]


def _limits(maps: Sequence[DrawnMap]) -> tuple[float, float] | None:
    """Return the ends of the scale of all bands; None where each has its own, or has classes."""
    if maps[0].class_names is not None:
        return None
    if len(maps) == 1:
        return maps[0].limits
    ends = [drawn.limits for drawn in maps]
    shares = all(low >= 0 and high <= 1 for low, high in ends)  # such as probabilities
    return (0.0, 1.0) if shares else None


def _range(drawn: DrawnMap) -> str:
    low, high = drawn.limits
    return f"{low:.3g} to {high:.3g}"


def _bytes(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return colours in 0 to 1 as bytes."""
    return np.rint(pixels * 255).astype(np.uint8)


def _sheet(
    maps: Sequence[DrawnMap],
    panels: Sequence[Panel],
    limits: tuple[float, float] | None,
    title: str | None,
    attribution: str | None,
) -> Sheet:
    first = maps[0]
    height, width = first.pixels.shape
    longest = _LONGEST[min(len(panels), len(_LONGEST)) - 1]
    times = max(1, min(math.ceil(_SHORTEST / max(height, width)), longest // max(height, width)))
    metres = first.metres_per_pixel
    if first.class_names is not None:
        key: ClassKey | ValueKey = ClassKey(legend(first))
    else:
        key = ValueKey(first.label if len(maps) == 1 else "", limits)
    return Sheet(
        panels=panels,
        columns=_columns(len(panels), first.is_tall),
        size=(width * times, height * times),
        key=key,
        title=title,
        attribution=attribution,
        metres=None if metres is None else metres / times,
    )


def _columns(count: int, is_tall: bool) -> int:
    """Return how many panels stand in a row: up to three, then as near a square as it goes."""
    if count <= 3:
        return count if is_tall or count == 3 else 1
    return math.ceil(math.sqrt(count))


def _save(sheet: Sheet, path: Path) -> Path:
    with replacing(path) as partial:
        sheet.draw().save(partial, format="PNG", compress_level=_COMPRESSION)
    return path
