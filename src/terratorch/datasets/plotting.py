"""Figures of samples: what people look at to see whether data and predictions make sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from terratorch.colors import palette
from terratorch.drawing.paint import class_index, paint_classes, paint_rgb, paint_values
from terratorch.drawing.panels import ClassLegend, ImagePanel, ValueScale, draw_panels
from terratorch.geo.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 360  # pixels of the longer side of a panel
_NO_CLASS = (209, 209, 214)  # pixels without label or outside the classes
_LEGEND_ROWS = 20

Sample = Mapping[str, ArrayLike]


def plot_classes(
    sample: Sample,
    rgb_indices: Sequence[int],
    num_classes: int,
    class_names: Sequence[str] | None = None,
    suptitle: str | None = None,
) -> Figure:
    """Draw image, mask and prediction of a segmentation, with a legend of the classes in them.

    Args:
        sample: `image` `(C, H, W)` or `(C, T, H, W)`; `mask`, `prediction` `(H, W)` if present.
        rgb_indices: Which bands are red, green and blue.
        num_classes: How many classes there are.
        class_names: Their names; numbers if None.
        suptitle: A title above.
    """
    names = list(class_names or (str(number) for number in range(num_classes)))
    colors = palette(names)
    panels, present = [_image_panel(sample, rgb_indices)], set()
    for key in _targets(sample):
        ids = _array(sample[key]).astype(np.int64)
        panels.append(ImagePanel(paint_classes(ids, colors, missing=_NO_CLASS), key))
        present |= set(np.unique(class_index(ids, num_classes)).tolist())
    entries = [(colors[number], names[number]) for number in sorted(present - {num_classes})]
    del entries[_LEGEND_ROWS:]
    if num_classes in present:
        entries.append((_NO_CLASS, "no label"))
    return _draw(panels, ClassLegend(entries) if entries else None, suptitle)


def plot_values(sample: Sample, rgb_indices: Sequence[int], suptitle: str | None = None) -> Figure:
    """Draw image, values and prediction of a regression, on one scale.

    Args:
        sample: `image` `(C, H, W)` or `(C, T, H, W)`; `mask`, `prediction` `(H, W)` if present.
        rgb_indices: Which bands are red, green and blue.
        suptitle: A title above.
    """
    arrays = {key: _array(sample[key]).astype(np.float64) for key in _targets(sample)}
    values = np.concatenate(
        [np.zeros(0), *(array[np.isfinite(array)] for array in arrays.values())]
    )
    limits = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    panels = [_image_panel(sample, rgb_indices)]
    panels += [ImagePanel(paint_values(array, limits), key) for key, array in arrays.items()]
    return _draw(panels, ValueScale(limits) if arrays else None, suptitle)


def plot_label(
    sample: Sample,
    rgb_indices: Sequence[int],
    class_names: Sequence[str] | None = None,
    suptitle: str | None = None,
) -> Figure:
    """Draw an image with the names of its label and prediction.

    Args:
        sample: `image` `(C, H, W)` or `(C, T, H, W)`; `label`, `prediction` as ids if present.
        rgb_indices: Which bands are red, green and blue.
        class_names: The names of the classes; numbers if None.
        suptitle: A title above.
    """
    lines = [
        f"{key}: {_class_name(int(_array(sample[key])), class_names)}"
        for key in ("label", "prediction")
        if key in sample
    ]
    panel = _image_panel(sample, rgb_indices, "\n".join(lines) or "image")
    return _draw([panel], None, suptitle)


def to_rgb(image: Array, indices: Sequence[int]) -> NDArray[np.uint8]:
    """Turn bands into a picture `(H, W, 3)`, stretched between 2 % and 98 %.

    Args:
        image: `(C, H, W)`, or `(C, T, H, W)`, of which the last time step is taken.
        indices: Which bands are red, green and blue; if one is missing, the first in grey.
    """
    if image.ndim == 4:
        image = image[:, -1]
    bands = list(indices) if len(indices) == 3 and max(indices) < len(image) else [0, 0, 0]
    return paint_rgb(np.moveaxis(image[bands], 0, -1).astype(np.float32))


def _image_panel(sample: Sample, rgb_indices: Sequence[int], title: str = "image") -> ImagePanel:
    return ImagePanel(to_rgb(_array(sample["image"]), rgb_indices), title)


def _draw(
    panels: Sequence[ImagePanel], key: ClassLegend | ValueScale | None, suptitle: str | None
) -> Figure:
    height, width = panels[0].pixels.shape[:2]
    times = _LONGEST / max(height, width)
    size = max(1, round(width * times)), max(1, round(height * times))
    return draw_panels(panels, size, key, title=suptitle)


def _targets(sample: Sample) -> list[str]:
    return [key for key in ("mask", "prediction") if key in sample]


def _class_name(number: int, class_names: Sequence[str] | None) -> str:
    known = class_names is not None and 0 <= number < len(class_names)
    return class_names[number] if known and class_names is not None else str(number)


def _array(values: ArrayLike) -> Array:
    # Tensors may be on a device, with a gradient.
    detach = getattr(values, "detach", None)
    return np.asarray(values if detach is None else detach().cpu().numpy())
