"""Pad the maps of a pyramid to sizes that halve exactly from level to level."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from terratorch.ops.padding import pad_axis


def pad_levels(levels: Sequence[Tensor], multiple: int = 1) -> list[Tensor]:
    """Pad maps `(B, C, H, W)`, below and to the right, so that each is a multiple of the next.

    Maps whose sizes fit already are returned unchanged.

    Args:
        levels: The maps, the finest first.
        multiple: What the sides of the coarsest are padded to a multiple of.
    """
    padded = list(levels)
    for axis in (-2, -1):
        sizes = [level.shape[axis] for level in levels]
        for index, size in enumerate(_fitting(sizes, multiple)):
            padded[index] = pad_axis(padded[index], axis, 0, size - sizes[index], "replicate")
    return padded


def crop_like(decoded: Tensor, padded: Tensor, finest: Tensor) -> Tensor:
    """Remove what `pad_levels` added to the finest map, in the scale of the decoded map.

    Args:
        decoded: The output of the decoder.
        padded: The finest map as the decoder got it.
        finest: The finest map before.
    """
    height, width = (
        -(-finest.shape[axis] * decoded.shape[axis] // padded.shape[axis]) for axis in (-2, -1)
    )
    return decoded[..., :height, :width]


def _fitting(sizes: Sequence[int], multiple: int) -> list[int]:
    """Return the smallest sizes that fit one another and are at least `sizes`."""
    scales = [1]
    for fine, coarse in zip(sizes[-2::-1], sizes[:0:-1], strict=True):
        ratio = 1 if fine == coarse else max(2, round(fine / coarse))
        scales.insert(0, scales[0] * ratio)
    coarsest = max(-(-size // scale) for size, scale in zip(sizes, scales, strict=True))
    coarsest = -(-coarsest // multiple) * multiple
    return [coarsest * scale for scale in scales]
