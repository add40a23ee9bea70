"""Confidence intervals by resampling chips: the percentile bootstrap.

After Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. What is resampled
are chips, not pixels: the pixels of a chip are far from independent of each other.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95
_SEED = 0
_BLOCK = 4_000_000  # weights that are held at once

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """The ends of a confidence interval; NaN where there is none."""

    low: float
    high: float


def resampled_sums(rows: Array, resamples: int = RESAMPLES, seed: int = _SEED) -> Array:
    """Draw as many rows as there are, with replacement, and sum them; again and again.

    Args:
        rows: What each chip adds to the sums, `(N, K)`.
        resamples: How often, R.
        seed: Of the random numbers: a report looks the same each time.

    Returns:
        The sums, `(R, K)`.
    """
    # Chips that count alike are drawn together: of a classification there are few kinds.
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
    """Return the interval of each column of `(R, K)`; NaN in a sample is left out."""
    tail = 50 * (1 - level)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanpercentile(samples, (tail, 100 - tail), axis=0)
    return [Interval(float(one), float(other)) for one, other in zip(low, high, strict=True)]
