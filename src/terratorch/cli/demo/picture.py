"""The picture of the result: scene, labels and map side by side, with a legend and the notices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terratorch.cli.demo.labels import CLASS_NAMES, IGNORE
from terratorch.cli.demo.prepare import OSM_NOTICE, SENTINEL_NOTICE
from terratorch.cli.demo.scene import BANDS
from terratorch.colors import palette

_TRUE_COLOUR = ("RED", "GREEN", "BLUE")


def draw(
    path: Path,
    scene: NDArray[np.uint16],
    labels: NDArray[np.uint8],
    land_cover: NDArray[np.uint8],
    miou: float,
) -> None:
    """Draw the picture of a result as PNG.

    Args:
        path: Where to.
        scene: Pixel values, `(bands, rows, cols)`.
        labels: Class ids, `IGNORE` where there is none, `(rows, cols)`.
        land_cover: The map, class ids, `(rows, cols)`.
        miou: The test score, for the title.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    panels = {
        "Sentinel-2, 2017-02-16": true_colour(scene),
        f"labels ({np.mean(labels != IGNORE):.0%} of the pixels)": paint(labels),
        f"map (test mIoU {miou:.2f})": paint(land_cover),
    }
    # A figure of its own, not pyplot: no global state, no display.
    figure = Figure(figsize=(16, 3.7), layout="constrained")
    FigureCanvasAgg(figure)
    row = figure.subplots(1, len(panels))
    for axes, (title, pixels) in zip(row, panels.items(), strict=True):
        axes.imshow(pixels, interpolation="nearest")
        axes.set_title(title)
        axes.set_xticks([])
        axes.set_yticks([])
    handles = [
        Patch(color=(red / 255, green / 255, blue / 255), label=name)
        for name, (red, green, blue) in zip(CLASS_NAMES, palette(CLASS_NAMES), strict=True)
    ]
    figure.legend(
        handles=handles,
        title=f"{SENTINEL_NOTICE}. {OSM_NOTICE}.",
        loc="outside lower center",
        ncols=len(handles),
        frameon=False,
    )
    figure.savefig(path, dpi=120, bbox_inches="tight")


def true_colour(scene: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return `(rows, cols, 3)` in 0 to 1, stretched between the 1st and the 98th percentile."""
    names = tuple(BANDS.values())
    pixels = scene[[names.index(name) for name in _TRUE_COLOUR]].astype(np.float32)
    low, high = np.percentile(pixels, (1, 98), axis=(1, 2), keepdims=True)
    stretched = np.clip((pixels - low) / np.maximum(high - low, 1), 0, 1)
    return np.moveaxis(stretched, 0, -1).astype(np.float32)


def paint(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return class ids as colours, `(rows, cols, 3)`, white where there is no class."""
    table = np.full((256, 3), 255, dtype=np.uint8)
    table[: len(CLASS_NAMES)] = palette(CLASS_NAMES)
    return table[classes]
