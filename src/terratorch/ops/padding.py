"""Pad images to a multiple of the patch size, and crop back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from terratorch.errors import ConfigurationError

MODES = ("reflect", "replicate", "circular", "constant")


def pad_axis(x: Tensor, axis: int, before: int, after: int, mode: str = "reflect") -> Tensor:
    """Pad one axis of a tensor by any amount.

    Args:
        x: A tensor of any shape and dtype.
        axis: The axis to pad.
        before: How many cells to add before it.
        after: How many cells to add after it.
        mode: `reflect`, `replicate`, `circular` or `constant` (zeros). Reflection goes back and
            forth if the padding is wider than the image.

    Raises:
        ConfigurationError: If there is no such mode.
    """
    if mode not in MODES:
        raise ConfigurationError("padding", f"is {mode!r}", f"Use one of {', '.join(MODES)}.")
    if not before and not after:
        return x
    if mode == "constant":
        behind = [0, 0] * (x.ndim - 1 - axis % x.ndim)
        return F.pad(x, [*behind, before, after])
    # Only the borders are gathered: to gather a whole image along its rows is many times as slow.
    size = x.shape[axis]
    borders = ((-before, 0), (size, size + after))
    first, last = (
        x.index_select(axis, _sources(torch.arange(*border, device=x.device), size, mode))
        for border in borders
    )
    return torch.cat([first, x, last], dim=axis)


def _sources(positions: Tensor, size: int, mode: str) -> Tensor:
    """Return, for positions outside of an axis of this size, the positions that they copy."""
    if mode == "circular":
        return positions % size
    if mode == "replicate" or size == 1:
        return positions.clamp(0, size - 1)
    period = 2 * (size - 1)
    folded = positions % period
    return torch.minimum(folded, period - folded)


def pad_to_multiple(x: Tensor, patch_size: int | Sequence[int], mode: str = "reflect") -> Tensor:
    """Pad images `(..., H, W)` so that a whole, even number of patches covers them.

    Height and width grow to a multiple of twice the patch size, on both sides alike. The time axis
    of `(B, C, T, H, W)` grows at its end to a multiple of the first of three patch sizes.

    Args:
        x: Images.
        patch_size: A side, or height and width, or time, height and width of a patch.
        mode: See `pad_axis`.
    """
    sizes = [patch_size] * 2 if isinstance(patch_size, int) else list(patch_size)
    for axis, patch in zip((-2, -1), sizes[-2:], strict=True):
        missing = -x.shape[axis] % (2 * patch)
        x = pad_axis(x, axis, missing // 2, missing - missing // 2, mode)
    if len(sizes) == 3 and x.ndim == 5:
        x = pad_axis(x, -3, 0, -x.shape[-3] % sizes[0], mode)
    return x


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


def crop_center(x: Tensor, size: Sequence[int]) -> Tensor:
    """Return the middle of images `(..., H, W)`; an axis that is smaller is not changed.

    Args:
        x: Images.
        size: Height and width to keep.
    """
    height, width = (min(have, want) for have, want in zip(x.shape[-2:], size, strict=True))
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]
