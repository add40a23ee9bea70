"""Transforms of bands, sizes and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from torch import Tensor
from torch.nn.functional import pad as pad_tensor

from terratorch.contracts.facts import Sample
from terratorch.datasets.transforms.albumentations_import import import_albumentations
from terratorch.errors import ConfigurationError

_albumentations: Any = import_albumentations()

Image = TypeVar("Image", np.ndarray, Tensor)


class SelectBands(_albumentations.ImageOnlyTransform):
    """Keep some bands of an image, in a given order.

    Args:
        band_indices: Their positions among the output bands.
    """

    def __init__(self, band_indices: list[int]) -> None:
        super().__init__(p=1)
        self.band_indices = list(band_indices)

    def apply(self, img: Image, **params: object) -> Image:
        """Select from `(..., C)`, or a tensor `(C, ...)`."""
        bands = img.shape[0 if isinstance(img, Tensor) else -1]
        wrong = [index for index in self.band_indices if not 0 <= index < bands]
        if wrong:
            raise ConfigurationError(
                "SelectBands.band_indices",
                f"{wrong[0]}, but the image has {bands} bands",
                f"Positions are 0 to {bands - 1}.",
            )
        if isinstance(img, Tensor):
            return img[self.band_indices]
        return np.ascontiguousarray(img[..., self.band_indices])


class Padding(_albumentations.DualTransform):
    """Pad image and mask at the bottom and the right to a size, or to a square.

    Images are padded with 0, masks with what stands for no label in a data set, else -1.

    Args:
        input_shape: Height and width wanted, as the last two numbers; a square where None.
    """

    _targets = (
        _albumentations.core.type_definitions.Targets.IMAGE,
        _albumentations.core.type_definitions.Targets.MASK,
    )

    def __init__(self, input_shape: list[int] | None = None) -> None:
        super().__init__(p=1)
        self.input_shape = input_shape
        self.fill_mask: float = -1

    def apply(self, img: Image, **params: object) -> Image:
        """Pad an image `(H, W, C)`, or a tensor `(C, H, W)`."""
        return self._pad(img, 0)

    def apply_to_mask(self, mask: Image, **params: object) -> Image:
        """Pad a mask `(H, W)`."""
        return self._pad(mask, self.fill_mask)

    def _pad(self, array: Image, value: float) -> Image:
        if isinstance(array, Tensor):
            below, right = self._missing(*array.shape[-2:])
            return pad_tensor(array, (0, right, 0, below), value=value)
        below, right = self._missing(*array.shape[:2])
        widths = [(0, below), (0, right)] + [(0, 0)] * (array.ndim - 2)
        return np.pad(array, widths, constant_values=value)

    def _missing(self, height: int, width: int) -> tuple[int, int]:
        if self.input_shape is None:
            side = max(height, width)
            return side - height, side - width
        wanted_height, wanted_width = self.input_shape[-2:]
        if height > wanted_height or width > wanted_width:
            raise ConfigurationError(
                "Padding.input_shape",
                f"{wanted_height} x {wanted_width} is smaller than an image ({height} x {width})",
                "Crop before, or give a larger shape.",
            )
        return wanted_height - height, wanted_width - width


class AddConstantToLabels:
    """Add a number to the labels of a sample, such as 1 if 0 means background.

    Args:
        label_key: Where the labels are in the sample.
        constant: What is added.
    """

    def __init__(self, label_key: str = "label", constant: float = 1) -> None:
        self.label_key, self.constant = label_key, constant

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with other labels."""
        labels = sample[self.label_key]
        if isinstance(labels, Sequence):
            return {**sample, self.label_key: [label + self.constant for label in labels]}
        return {**sample, self.label_key: labels + self.constant}
