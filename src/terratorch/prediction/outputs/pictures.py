"""Draw outputs that are not maps: boxes on the image, vectors as colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from terratorch.colors import Color, palette
from terratorch.contracts.outputs import Boxes, OutputValue, pixel_window
from terratorch.drawing.maps import metres_per_pixel, read_image
from terratorch.drawing.paint import paint_rgb
from terratorch.drawing.panels import ClassLegend, ImagePanel, draw_panels, save_figure
from terratorch.geo.raster import open_raster
from terratorch.prediction.outputs.boxes import as_boxes, description_of, read_boxes
from terratorch.prediction.outputs.vectors import (
    as_vectors,
    principal_components,
    read_patches,
    read_vectors,
    vector_rows,
)
from terratorch.prediction.products.products import FinishedMap

_LONGEST, _SHORTEST = 1024, 480  # pixels of the longer side of a picture
_SWATCH = 24  # pixels of the square of an image's vector


def paint_boxes(
    output: OutputValue, image: NDArray[np.uint8], scale: float, names: list[str] | None
) -> NDArray[np.uint8]:
    """Draw the boxes of one image on its picture, with their masks.

    Args:
        output: The boxes, a batch of one.
        image: The picture, `(h, w, 3)`.
        scale: Pixels of the picture for a pixel of the image.
        names: Names of the classes.
    """
    boxes = as_boxes(output)
    colors = palette(class_names_for(boxes, names))
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    width = max(2, round(max(image.shape) / 400))
    masks = [None] * len(boxes.boxes[0]) if boxes.masks is None else boxes.masks[0]
    for box, label, mask in zip(boxes.boxes[0], boxes.labels[0].tolist(), masks, strict=True):
        color = colors[label % len(colors)]
        left, top, right, bottom = (side * scale for side in box.tolist())
        if mask is not None:
            window = [round(side * scale) for side in pixel_window(box)]
            shade = Image.fromarray(mask.numpy().astype(np.uint8) * 120)
            size = max(window[2] - window[0], 1), max(window[3] - window[1], 1)
            pen.bitmap((window[0], window[1]), shade.resize(size), fill=color)
        end = max(right - 1, left + 1), max(bottom - 1, top + 1)  # drawn as well
        pen.rectangle((left, top, *end), None, color, width)
    return np.asarray(picture)


def box_legend(boxes: Boxes, names: Sequence[str]) -> list[tuple[Color, str]]:
    """Return colour and text of each class that has boxes, with their number."""
    labels, counts = torch.cat(boxes.labels).unique(return_counts=True)
    colors = palette(names)
    return [
        (colors[label % len(colors)], f"{names[label]}  {count}")
        for label, count in zip(labels.tolist(), counts.tolist(), strict=True)
    ]


def class_names_for(boxes: Boxes, names: Sequence[str] | None) -> list[str]:
    """Return a name for each class, the ids if there are none."""
    if names is not None:
        return list(names)
    labels = torch.cat(boxes.labels)
    return [str(label) for label in range(int(labels.max()) + 1 if len(labels) else 1)]


def draw_boxes(finished: FinishedMap, path: Path) -> None:
    """Draw the boxes of a scene on its picture."""
    boxes = read_boxes(finished.path)
    names = class_names_for(boxes, description_of(finished.path).get("class_names"))
    with open_raster(finished.image) as dataset:
        longest = max(dataset.height, dataset.width)
        metres = metres_per_pixel(dataset)
    image, scale = _enlarged(read_image(finished.image, longest=_LONGEST), longest)
    picture = paint_boxes(boxes, image, scale, names)
    figure = draw_panels(
        [ImagePanel(picture)],
        (picture.shape[1], picture.shape[0]),
        ClassLegend(box_legend(boxes, names) or [((128, 128, 128), "no objects")]),
        title=Path(finished.image).stem,
        metres_per_pixel=None if metres is None else metres / scale,
    )
    save_figure(figure, path)


def _enlarged(image: NDArray[np.uint8], longest: int) -> tuple[NDArray[np.uint8], float]:
    """Return a picture that is not too small, and its pixels for a pixel of the image."""
    times = max(1, math.ceil(_SHORTEST / max(image.shape)))
    image = image.repeat(times, 0).repeat(times, 1)
    return image, max(image.shape) / longest


def paint_vectors(output: OutputValue) -> NDArray[np.uint8]:
    """Return the first three principal components as colours: `(h, w, 3)`, or `(1, N, 3)`."""
    values = as_vectors(output).values
    components, _ = principal_components(vector_rows(output))
    shape = (1, len(values)) if values.ndim == 2 else tuple(values.shape[-2:])
    pixels = components.reshape(*shape, 3).numpy().astype(np.float32)
    return paint_rgb(np.nan_to_num(pixels), np.asarray(np.isnan(pixels).any(-1)))


def paint_patches(
    output: OutputValue, image: NDArray[np.uint8], scale: float, names: list[str] | None
) -> NDArray[np.uint8]:
    """Return the vectors of one image as colours, at the size of its picture."""
    colors = Image.fromarray(paint_vectors(output))
    height, width = image.shape[:2]
    return np.asarray(colors.resize((width, height), Image.Resampling.NEAREST))


def draw_patches(finished: FinishedMap, path: Path) -> None:
    """Draw the vectors of a scene as colours."""
    colors = paint_vectors(read_patches(finished.path))
    with open_raster(finished.path) as dataset:
        metres = metres_per_pixel(dataset)
    times = max(1, _SHORTEST // max(colors.shape))
    _save_components(colors, times, path, Path(finished.image).stem, metres)


def draw_vectors(finished: FinishedMap, path: Path) -> None:
    """Draw the vectors of images as squares of colour, in the order of the table."""
    colors = paint_vectors(read_vectors(finished.path))[0]
    columns = math.ceil(math.sqrt(len(colors)))
    rows = -(-len(colors) // columns)
    squares = np.full((rows * columns, 3), 255, np.uint8)
    squares[: len(colors)] = colors
    _save_components(squares.reshape(rows, columns, 3), _SWATCH, path, finished.path.stem, None)


def _save_components(
    colors: NDArray[np.uint8], times: int, path: Path, title: str, metres: float | None
) -> None:
    pixels = colors.repeat(times, 0).repeat(times, 1)
    panel = ImagePanel(pixels, note="3 principal components")
    figure = draw_panels(
        [panel],
        (pixels.shape[1], pixels.shape[0]),
        title=title,
        metres_per_pixel=None if metres is None else metres / times,
    )
    save_figure(figure, path)
