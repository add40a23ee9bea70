"""Counts of label maps as pure torch functions: confusion matrix and class boundaries.

All scores per class follow from one confusion matrix (`terratorch.metrics.formulas`), so a
validation pass counts each pixel once.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Classes per integer, a bit each; one more bit stands for all others, and the sign bit is unused.
_CLASSES_PER_WORD = {torch.int32: 30, torch.int64: 62}


def confusion_matrix(
    prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int | None = None
) -> Tensor:
    """Return the counts `(C, C)` of class ids, rows true and columns predicted."""
    cells = num_classes**2
    pairs = target * num_classes + prediction
    if ignore_index is not None:
        # An extra cell for ignored pixels is cheaper than masking them.
        pairs = pairs.where(target != ignore_index, cells)
    counts = torch.bincount(pairs.flatten(), minlength=cells + 1)
    return counts[:cells].reshape(num_classes, num_classes)


def boundary_counts(
    prediction: Tensor,
    target: Tensor,
    num_classes: int,
    thickness: int,
    ignore_index: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return intersection and union `(C,)` of the boundaries of each class.

    A pixel is on the boundary of a class if the window of `2 * thickness + 1` pixels around it
    holds that class and another one. The classes of a window are the bits of one integer, so the
    cost hardly depends on the number of classes.

    Args:
        prediction: Class ids `(B, H, W)`.
        target: Class ids `(B, H, W)`; an id outside the classes counts as another class.
        num_classes: How many classes there are.
        thickness: Pixels on either side of a boundary that belong to it.
        ignore_index: Pixels with this target are not counted.
    """
    counted = None if ignore_index is None else target != ignore_index
    intersections, unions = [], []
    # The narrower integer halves the memory traffic.
    word = torch.int32 if num_classes <= _CLASSES_PER_WORD[torch.int32] else torch.int64
    for first in range(0, num_classes, _CLASSES_PER_WORD[word]):
        size = min(_CLASSES_PER_WORD[word], num_classes - first)
        ours = _boundary_bits(prediction, first, size, thickness, word)
        theirs = _boundary_bits(target, first, size, thickness, word)
        if counted is not None:
            ours, theirs = ours * counted, theirs * counted
        intersections.append(_count_bits(ours & theirs, size))
        unions.append(_count_bits(ours | theirs, size))
    return torch.cat(intersections), torch.cat(unions)


def _boundary_bits(
    labels: Tensor, first: int, size: int, thickness: int, word: torch.dtype
) -> Tensor:
    """Return as bits which classes, from `first` on, have each pixel on their boundary."""
    other = size  # the bit for all classes outside this word
    index = labels - first
    index = index.where((index >= 0) & (index < size), other)
    bits = torch.ones_like(index, dtype=word) << index.to(word)
    for axis in (-1, -2):
        bits = _or_window(bits, thickness, axis)
    uniform = bits & (bits - 1) == 0
    return bits.where(~uniform, 0)


def _or_window(bits: Tensor, radius: int, axis: int) -> Tensor:
    """Return the bits of all pixels within `radius` along an axis."""
    result = bits.clone()
    length = bits.shape[axis]
    for step in range(1, min(radius, length - 1) + 1):
        rest = length - step
        result.narrow(axis, 0, rest).bitwise_or_(bits.narrow(axis, step, rest))
        result.narrow(axis, step, rest).bitwise_or_(bits.narrow(axis, 0, rest))
    return result


def _count_bits(bits: Tensor, size: int) -> Tensor:
    """Return how many pixels have each of the lowest `size` bits set."""
    some = bits[bits != 0]
    counts = []
    # Count byte values, eight bits at a time: they give the count of each bit.
    bytes_with = (
        torch.arange(256, device=bits.device)[:, None] >> torch.arange(8, device=bits.device)
    ) & 1
    for shift in range(0, size, 8):
        seen = torch.bincount((some >> shift) & 255, minlength=256)
        counts.append((seen[:, None] * bytes_with).sum(0))
    return torch.cat(counts)[:size]
