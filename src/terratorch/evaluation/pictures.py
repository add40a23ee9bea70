"""Pictures of chips: image, label, prediction and errors as PNG files inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from terratorch.colors import Color
from terratorch.drawing.paint import (
    class_index,
    paint_classes,
    paint_rgb,
    paint_values,
    value_limits,
)
from terratorch.evaluation.evaluation import Picture, PictureScale
from terratorch.evaluation.ramps import ERROR_RAMP, ramp_of, value_scale
from terratorch.evaluation.thumbnails import Thumbnail

WRONG: Color = (196, 30, 150)  # unlike any land-cover colour
UNLABELLED = (128, 134, 142, 110)  # translucent, so that it suits both themes


def image_pictures(
    chips: Sequence[Thumbnail], colors: Sequence[Color]
) -> tuple[list[list[Picture]], PictureScale | None]:
    """Return the image of each chip."""
    return [[_image(chip)] for chip in chips], None


def class_pictures(
    chips: Sequence[Thumbnail], colors: Sequence[Color]
) -> tuple[list[list[Picture]], PictureScale | None]:
    """Return image, label, prediction and errors of chips with classes.

    Args:
        chips: The chips.
        colors: The colours of the classes.
    """
    return [[_image(chip), *_class_maps(chip, colors)] for chip in chips], None


def value_pictures(
    chips: Sequence[Thumbnail], colors: Sequence[Color]
) -> tuple[list[list[Picture]], PictureScale | None]:
    """Return image, label, prediction and errors of chips with values, and their common scale."""
    scale = _scale_of(chips)
    return [[_image(chip), *_value_maps(chip, scale)] for chip in chips], scale


def png_data_uri(pixels: NDArray[np.uint8]) -> str:
    """Return a picture `(H, W, 3)` or `(H, W, 4)` as a PNG in a `data:` URI."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _image(chip: Thumbnail) -> Picture:
    return Picture("Image", png_data_uri(paint_rgb(chip.image)))


def _maps(chip: Thumbnail) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return target, prediction and validity of a chip that has them."""
    assert chip.target is not None
    assert chip.prediction is not None
    assert chip.valid is not None
    return chip.target, chip.prediction, chip.valid


def _class_maps(chip: Thumbnail, colors: Sequence[Color]) -> list[Picture]:
    target, prediction, valid = _maps(chip)
    right = class_index(target, len(colors), ~valid) == class_index(prediction, len(colors))
    errors = np.zeros((*target.shape, 4), dtype=np.uint8)
    errors[~right] = (*WRONG, 255)
    errors[~valid] = UNLABELLED
    return [
        Picture("Label", png_data_uri(paint_classes(target, colors, ~valid, UNLABELLED))),
        Picture("Prediction", png_data_uri(paint_classes(prediction, colors, None, UNLABELLED))),
        Picture("Errors", png_data_uri(errors)),
    ]


def _value_maps(chip: Thumbnail, scale: PictureScale) -> list[Picture]:
    target, prediction, valid = _maps(chip)
    limits, error = (scale.low, scale.high), (-scale.error, scale.error)
    shown = {
        "Label": (target, limits, ~valid, UNLABELLED, ramp_of(*limits)),
        "Prediction": (prediction, limits, None, UNLABELLED, ramp_of(*limits)),
        "Errors": (
            prediction - target, error, ~valid | ~np.isfinite(prediction), UNLABELLED, ERROR_RAMP,
        ),
    }  # fmt: skip
    return [Picture(title, png_data_uri(paint_values(*how))) for title, how in shown.items()]


def _scale_of(chips: Sequence[Thumbnail]) -> PictureScale:
    """Return a scale for all values on some chips, without outliers."""
    values, errors = [], []
    for target, prediction, valid in map(_maps, chips):
        shown = valid & np.isfinite(prediction)
        values += [target[shown], prediction[shown]]
        errors.append(np.abs(prediction[shown] - target[shown]))
    low, high = value_scale(value_limits(np.concatenate(values)))
    return PictureScale(low, high, max(value_limits(np.concatenate(errors))[1], 1e-12))
