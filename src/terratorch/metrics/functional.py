"""Metrics over classes, as pure functions of label maps and of their confusion matrix.

Everything that counts pixels by class is read from one confusion matrix `(C, C)`, rows true and
columns predicted, so that a validation pass counts them once. The values are those of torchmetrics.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Bits of an integer that hold a class each, and one that holds all others; the sign is left alone.
_CLASSES_PER_WORD = {torch.int32: 30, torch.int64: 62}


def confusion_matrix(
    prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int | None = None
) -> Tensor:
    """Return the counts `(C, C)` of class ids, rows true and columns predicted."""
    cells = num_classes**2
    pairs = target * num_classes + prediction
    if ignore_index is not None:
        # One more cell for what is ignored costs less than leaving it out.
        pairs = pairs.where(target != ignore_index, cells)
    counts = torch.bincount(pairs.flatten(), minlength=cells + 1)
    return counts[:cells].reshape(num_classes, num_classes)


class Counts(NamedTuple):
    """The counts `(C,)` of each class against the rest."""

    hits: Tensor
    false_positives: Tensor
    false_negatives: Tensor

    @property
    def seen(self) -> Tensor:
        """True for classes that are predicted or true somewhere."""
        return self.hits + self.false_positives + self.false_negatives > 0


def counts_of(matrix: Tensor) -> Counts:
    """Return the counts of each class of a confusion matrix."""
    hits = matrix.diag()
    return Counts(hits, matrix.sum(dim=0) - hits, matrix.sum(dim=1) - hits)


def divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Return the quotients, 0 where the denominator is."""
    return numerator.float() / denominator.float().where(denominator != 0, 1.0)


def mean_over(values: Tensor, chosen: Tensor) -> Tensor:
    """Return the mean of the values that are chosen, 0 where none is."""
    return divide((values * chosen).sum(), chosen.sum())


def recall(counts: Counts) -> Tensor:
    """Return how much of each class is found, `(C,)`."""
    return divide(counts.hits, counts.hits + counts.false_negatives)


def precision(counts: Counts) -> Tensor:
    """Return how much of what is predicted as a class is that class, `(C,)`."""
    return divide(counts.hits, counts.hits + counts.false_positives)


def f1_score(counts: Counts) -> Tensor:
    """Return the harmonic mean of precision and recall of each class, `(C,)`."""
    errors = counts.false_positives + counts.false_negatives
    return divide(2 * counts.hits, 2 * counts.hits + errors)


def intersection_over_union(counts: Counts) -> Tensor:
    """Return the Jaccard index of each class, `(C,)`."""
    return divide(counts.hits, sum(counts, start=torch.zeros_like(counts.hits)))


def boundary_counts(
    prediction: Tensor,
    target: Tensor,
    num_classes: int,
    thickness: int,
    ignore_index: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return intersection and union `(C,)` of the boundaries of each class.

    A pixel is on the boundary of a class if the window of `2 * thickness + 1` pixels around it
    holds that class and another one. The classes of a window are the bits of one integer, so that
    the cost depends little on the number of classes.

    Args:
        prediction: Class ids `(B, H, W)`.
        target: Class ids `(B, H, W)`; an id outside the classes counts as another class.
        num_classes: How many classes there are.
        thickness: Pixels on either side of a boundary that belong to it.
        ignore_index: Pixels with this target are not counted.
    """
    counted = None if ignore_index is None else target != ignore_index
    intersections, unions = [], []
    # The narrower integer halves what goes through the memory.
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
    """Return for each pixel, as bits, the classes from `first` on whose boundary it is on."""
    other = size  # the bit of all classes that are not in this word
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
    # Eight bits at a time: how often each byte is seen tells how often each of its bits is set.
    bytes_with = (
        torch.arange(256, device=bits.device)[:, None] >> torch.arange(8, device=bits.device)
    ) & 1
    for shift in range(0, size, 8):
        seen = torch.bincount((some >> shift) & 255, minlength=256)
        counts.append((seen[:, None] * bytes_with).sum(0))
    return torch.cat(counts)[:size]
