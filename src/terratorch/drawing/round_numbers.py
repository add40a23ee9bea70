"""Round numbers for scales, axes and scale bars."""

from __future__ import annotations

import math


def round_length(length: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that does not exceed `length`."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(step * power for step in (1, 2, 5) if step * power <= length)


def ticks_around(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers that cover `low` to `high`."""
    if are_alike(low, high):
        high = low + (abs(low) or 1.0)
    step = _round_step((high - low) / count)
    return _multiples(step, math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9))


def are_alike(low: float, high: float) -> bool:
    """Return whether a range is too short to differ from a single value."""
    return high - low <= 1e-9 * max(abs(low), abs(high))


def _round_step(least: float) -> float:
    """Return the smallest round number of at least `least`."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(nice * power for nice in (1, 2, 2.5, 5, 10) if nice * power >= least * (1 - 1e-9))


def _multiples(step: float, first: int, last: int) -> list[float]:
    digits = 6 - math.floor(math.log10(step))  # further digits are rounding errors
    return [round(index * step, digits) for index in range(first, last + 1)]
