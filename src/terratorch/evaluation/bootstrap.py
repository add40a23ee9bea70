"""Confidence intervals by resampling chips: the percentile bootstrap.

After Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. Chips are resampled
rather than pixels, because the pixels of a chip are far from independent of each other.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95
_SEED = 0
_BLOCK = 4_000_000  # weights in memory at a time

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """The ends of a confidence interval, NaN if it is not defined."""

    low: float
    high: float


def resampled_sums(rows: Array, resamples: int = RESAMPLES, seed: int = _SEED) -> Array:
    """Sum N rows drawn with replacement, R times.

    Args:
        rows: The counts of each chip, `(N, K)`.
        resamples: Number of resamples, R.
        seed: Seed of the random numbers; fixed, so that a report can be reproduced.

    Returns:
        The sums, `(R, K)`.
    """
    # Equal rows are drawn together: a classification has few distinct ones.
    kinds, copies = np.unique(rows, axis=0, return_counts=True)
    random = np.random.default_rng(seed)
    shares = copies / copies.sum()
    sums = np.empty((resamples, rows.shape[1]))
    step = max(1, _BLOCK // len(kinds))
    for first in range(0, resamples, step):
        block = sums[first : first + step]
        block[:] = random.multinomial(len(rows), shares, size=len(block)) @ kinds
    return sums


def intervals(samples: Array, level: float = LEVEL) -> list[Interval]:
    """Return the interval of each column of `(R, K)`, skipping NaN."""
    tail = 50 * (1 - level)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanpercentile(samples, (tail, 100 - tail), axis=0)
    return [Interval(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True)]
