"""Public helpers around models: padding, cropping, time series."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from terratorch.models.temporal_wrapper import TemporalWrapper
from terratorch.ops.padding import crop_center, pad_images

__all__ = ["TemporalWrapper", "center_crop", "pad_images"]


def center_crop(image: Tensor, out_size: Sequence[int]) -> Tensor:
    """Return the middle of images `(..., H, W)`; an axis that is smaller is not changed.

    Args:
        image: Images.
        out_size: Height and width to keep.
    """
    return crop_center(image, out_size)
