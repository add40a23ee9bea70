"""Public helpers around models: padding, cropping, time series."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from terratorch.models.temporal_wrapper import TemporalWrapper
from terratorch.ops.padding import crop_center, pad_to_multiple

__all__ = ["TemporalWrapper", "center_crop", "pad_images"]


def pad_images(
    imgs: Tensor | dict[str, Tensor], patch_size: int | Sequence[int], padding: str = "reflect"
) -> Tensor | dict[str, Tensor]:
    """Pad images so that a whole, even number of patches covers them.

    Args:
        imgs: Images `(B, C, H, W)` or `(B, C, T, H, W)`, or a dictionary of them by modality;
            tensors of fewer axes in it are not changed.
        patch_size: A side, or height and width, or time, height and width of a patch.
        padding: `reflect`, `replicate`, `circular` or `constant`.
    """
    if isinstance(imgs, dict):
        return {
            name: pad_to_multiple(img, patch_size, padding) if img.ndim > 3 else img
            for name, img in imgs.items()
        }
    return pad_to_multiple(imgs, patch_size, padding)


def center_crop(image: Tensor, out_size: Sequence[int]) -> Tensor:
    """Return the middle of images `(..., H, W)`; an axis that is smaller is not changed.

    Args:
        image: Images.
        out_size: Height and width to keep.
    """
    return crop_center(image, out_size)
