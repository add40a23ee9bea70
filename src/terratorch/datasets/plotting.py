"""Figures of samples: what people look at to see whether data and predictions make sense."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from terratorch.colors import palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL_INCHES = 3.6

# Pixels without label or outside the classes.
_NO_CLASS = (0.82, 0.82, 0.84)

# More classes than these do not fit into a legend.
_LEGEND_ROWS = 20


def plot_classes(
    sample: dict[str, Any],
    rgb_indices: Sequence[int],
    num_classes: int,
    class_names: Sequence[str] | None = None,
    suptitle: str | None = None,
) -> Figure:
    """Draw image, mask and prediction of a segmentation, with a legend of the classes in them.

    Args:
        sample: `image` `(C, H, W)` or `(C, T, H, W)`; `mask`, `prediction` `(H, W)` if there.
        rgb_indices: Which bands are red, green and blue.
        num_classes: How many classes there are.
        class_names: Their names; numbers where None.
        suptitle: A title above.
    """
    from matplotlib.patches import Patch

    names = list(class_names or (str(number) for number in range(num_classes)))
    colors = np.array(palette(names)) / 255
    figure, axes = _panels(sample, rgb_indices, suptitle)
    present: set[int] = set()
    for axis, key in axes.items():
        ids = _array(sample[key]).astype(np.int64)
        axis.imshow(_colored(ids, colors), interpolation="nearest")
        present |= set(np.unique(ids).tolist())
    shown = [number for number in sorted(present) if 0 <= number < num_classes][:_LEGEND_ROWS]
    patches = [Patch(color=colors[number], label=names[number]) for number in shown]
    if present - set(range(num_classes)):
        patches.append(Patch(color=_NO_CLASS, label="no label"))
    if patches:
        figure.legend(handles=patches, loc="outside right center", frameon=False)
    return figure


def plot_values(
    sample: dict[str, Any], rgb_indices: Sequence[int], suptitle: str | None = None
) -> Figure:
    """Draw image, values and prediction of a regression, on one scale.

    Args:
        sample: `image` `(C, H, W)` or `(C, T, H, W)`; `mask`, `prediction` `(H, W)` if there.
        rgb_indices: Which bands are red, green and blue.
        suptitle: A title above.
    """
    figure, axes = _panels(sample, rgb_indices, suptitle)
    arrays = {axis: _array(sample[key]).astype(np.float64) for axis, key in axes.items()}
    valid = [array[np.isfinite(array)] for array in arrays.values()]
    values = np.concatenate(valid) if valid else np.zeros(0)
    low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
    drawn = None
    for axis, array in arrays.items():
        drawn = axis.imshow(array, cmap="viridis", vmin=low, vmax=high, interpolation="nearest")
    if drawn is not None:
        figure.colorbar(drawn, ax=list(arrays), shrink=0.8)
    return figure


def plot_label(
    sample: dict[str, Any],
    rgb_indices: Sequence[int],
    class_names: Sequence[str] | None = None,
    suptitle: str | None = None,
) -> Figure:
    """Draw an image with the names of its label and prediction.

    Args:
        sample: `image` `(C, H, W)` or `(C, T, H, W)`; `label`, `prediction` as ids if there.
        rgb_indices: Which bands are red, green and blue.
        class_names: The names of the classes; numbers where None.
        suptitle: A title above.
    """
    figure, _ = _panels({"image": sample["image"]}, rgb_indices, suptitle)
    lines = [
        f"{key}: {_name(int(sample[key]), class_names)}"
        for key in ("label", "prediction")
        if key in sample
    ]
    figure.axes[0].set_title("\n".join(lines) or "image", fontsize=10)
    return figure


def to_rgb(image: NDArray[Any], indices: Sequence[int]) -> NDArray[np.float64]:
    """Turn bands into a picture `(H, W, 3)` of 0 to 1, stretched between 2 % and 98 %.

    Args:
        image: `(C, H, W)`, or `(C, T, H, W)`, of which the last time step is taken.
        indices: Which bands are red, green and blue; the first, in grey, where they are not there.
    """
    if image.ndim == 4:
        image = image[:, -1]
    chosen = list(indices) if max(indices) < image.shape[0] else [0]
    picture = np.stack([_stretched(image[band]) for band in chosen], axis=-1)
    return picture if picture.shape[-1] == 3 else picture[..., :1].repeat(3, axis=-1)


def _stretched(band: NDArray[Any]) -> NDArray[np.float64]:
    band = band.astype(np.float64)
    finite = band[np.isfinite(band)]
    low, high = np.percentile(finite, (2, 98)) if finite.size else (0.0, 1.0)
    scaled = (np.nan_to_num(band, nan=low) - low) / max(high - low, 1e-12)
    return scaled.clip(0, 1)


def _panels(
    sample: dict[str, Any], rgb_indices: Sequence[int], suptitle: str | None
) -> tuple[Figure, dict[Any, str]]:
    """Draw the image; return the figure and an empty axis for each of mask and prediction."""
    # Not through pyplot: figures are collected as other objects are, in any thread.
    from matplotlib.figure import Figure

    keys = [key for key in ("mask", "prediction") if key in sample]
    width = _PANEL_INCHES * (1 + len(keys)) + (1.2 if keys else 0)
    figure = Figure(figsize=(width, _PANEL_INCHES + 0.4), layout="constrained")
    axes = figure.subplots(1, 1 + len(keys), squeeze=False)[0]
    axes[0].imshow(to_rgb(_array(sample["image"]), rgb_indices))
    for axis, title in zip(axes, ("image", *keys), strict=True):
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    if suptitle:
        figure.suptitle(suptitle)
    return figure, dict(zip(axes[1:], keys, strict=True))


def _colored(ids: NDArray[np.int64], colors: NDArray[np.float64]) -> NDArray[np.float64]:
    table = np.concatenate([colors, [_NO_CLASS]])
    inside = (ids >= 0) & (ids < len(colors))
    picture: NDArray[np.float64] = table[np.where(inside, ids, len(colors))]
    return picture


def _name(number: int, class_names: Sequence[str] | None) -> str:
    known = class_names is not None and 0 <= number < len(class_names)
    return class_names[number] if known and class_names is not None else str(number)


def _array(values: Any) -> NDArray[Any]:
    # Tensors may be on a device, with a gradient.
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values)
