"""Colour classes, values and bands. There is one stretch and one scale, used by every picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from terratorch.colors import NODATA_COLOR, VIRIDIS, Color, color_ramp
from terratorch.geo.types import Array

Mask = NDArray[np.bool_]
ValueRange = tuple[float, float]

_PERCENTILES = (2, 98)
_SCALE_STEPS = 256


def stretch_limits(pixels: NDArray[np.float32], hidden: Mask) -> NDArray[np.float32]:
    """Return the black and the white point of each band, `(2, C)`: two percentiles.

    Args:
        pixels: Bands last, `(h, w, C)`.
        hidden: Pixels that do not count, `(h, w)`.
    """
    visible = pixels[~hidden]
    if not visible.size:
        return np.stack([np.zeros(pixels.shape[-1]), np.ones(pixels.shape[-1])]).astype(np.float32)
    return np.percentile(visible, _PERCENTILES, axis=0).astype(np.float32)


def stretch(pixels: NDArray[np.float32], limits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale pixels `(h, w, C)` to 0 to 1 between the limits of each band."""
    low, high = limits
    return np.clip((pixels - low) / np.maximum(high - low, 1e-12), 0, 1, dtype=np.float32)


def value_limits(values: npt.ArrayLike) -> ValueRange:
    """Return the ends of a scale of values: two percentiles, so that outliers do not stretch it."""
    values = np.asarray(values)
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, _PERCENTILES)
    return float(low), float(high)


def scale_index(values: Array, limits: ValueRange, steps: int = _SCALE_STEPS) -> NDArray[np.intp]:
    """Return the step of a scale that each value falls on, 0 to `steps - 1`; NaN becomes 0."""
    low, high = limits
    scaled = (values.astype(np.float32) - low) * (steps / max(high - low, 1e-12))
    return np.clip(np.nan_to_num(scaled), 0, steps - 1).astype(np.intp)


def class_index(ids: Array, count: int, hidden: Mask | None = None) -> NDArray[np.intp]:
    """Return class ids, with `count` for hidden pixels and ids outside the classes (-1, 255)."""
    outside = (ids < 0) | (ids >= count)
    return np.where(outside if hidden is None else outside | hidden, count, ids).astype(np.intp)


def paint_rgb(
    pixels: NDArray[np.float32],
    hidden: Mask | None = None,
    missing: Sequence[int] = NODATA_COLOR,
) -> NDArray[np.uint8]:
    """Stretch bands to a picture.

    Args:
        pixels: Red, green and blue in any unit, `(h, w, 3)`.
        hidden: Pixels without data, `(h, w)`; by default those with NaN or infinite values.
        missing: The colour of hidden pixels, with or without an alpha value.
    """
    if hidden is None:
        hidden = np.logical_or.reduce(~np.isfinite(pixels), axis=-1)
    scaled = stretch(np.where(hidden[..., None], 0, pixels), stretch_limits(pixels, hidden))
    return _with_missing(np.rint(scaled * 255).astype(np.uint8), hidden, missing)


def paint_classes(
    ids: Array,
    colors: Sequence[Color],
    hidden: Mask | None = None,
    missing: Sequence[int] = NODATA_COLOR,
) -> NDArray[np.uint8]:
    """Colour class ids `(h, w)`; hidden pixels and ids outside the classes become `missing`."""
    index = class_index(ids, len(colors), hidden)
    table = np.array([*colors, NODATA_COLOR], dtype=np.uint8)
    return _with_missing(table.take(index, axis=0), index == len(colors), missing)


def paint_values(
    values: Array,
    limits: ValueRange,
    hidden: Mask | None = None,
    missing: Sequence[int] = NODATA_COLOR,
    ramp: Sequence[Color] = VIRIDIS,
) -> NDArray[np.uint8]:
    """Colour values `(h, w)` by a scale; hidden pixels, by default NaN, become `missing`.

    Args:
        values: In any unit.
        limits: The ends of the scale.
        hidden: Pixels without a value, `(h, w)`.
        missing: Their colour, with or without an alpha value.
        ramp: The colours of the scale, from the least to the greatest value.
    """
    if hidden is None:
        hidden = ~np.isfinite(values)
    table = np.array(color_ramp(ramp, _SCALE_STEPS), dtype=np.uint8)
    return _with_missing(table.take(scale_index(values, limits), axis=0), hidden, missing)


def _with_missing(
    picture: NDArray[np.uint8], hidden: Mask, missing: Sequence[int]
) -> NDArray[np.uint8]:
    """Colour hidden pixels; `missing` with an alpha value makes the others opaque."""
    if len(missing) == 4:
        opaque = np.full((*hidden.shape, 1), 255, dtype=np.uint8)
        picture = np.concatenate([picture, opaque], axis=-1)
    picture[hidden] = missing
    return picture
