"""The counts of chips as arrays, from which scores and their intervals are computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from terratorch.evaluation.evaluation import ChipScore


def stacked_counts(chips: Sequence[ChipScore], num_classes: int) -> NDArray[np.float64]:
    """Return hits, targets and predictions of each class for each chip, `(N, 3 * C)`."""
    rows, cells, counts = _flat_cells(chips)
    true, predicted = np.divmod(cells, num_classes)
    right = true == predicted
    first = 3 * num_classes * rows  # the first column of a chip
    columns = (
        (first + true)[right],
        first + num_classes + true,
        first + 2 * num_classes + predicted,
    )
    weights = np.concatenate([counts[right], counts, counts])
    size = 3 * num_classes * len(chips)
    stacked = np.bincount(np.concatenate(columns), weights=weights, minlength=size)
    return stacked.reshape(len(chips), -1).astype(np.float64)


def confusion_matrix(chips: Sequence[ChipScore], num_classes: int) -> NDArray[np.int64]:
    """Return the counts of all chips `(C, C)`, rows true and columns predicted."""
    _, cells, counts = _flat_cells(chips)
    total = np.bincount(cells, weights=counts, minlength=num_classes**2)
    return total.astype(np.int64).reshape(num_classes, num_classes)


def _flat_cells(
    chips: Sequence[ChipScore],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return chip number, cell and count of each cell of each chip."""
    flat = [(row, *cell) for row, chip in enumerate(chips) for cell in chip.cells]
    rows, cells, counts = np.array(flat, dtype=np.int64).reshape(-1, 3).T
    return rows, cells, counts
