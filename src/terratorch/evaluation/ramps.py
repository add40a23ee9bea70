"""Colour ramps of values: sequential, or diverging around 0 if values have both signs."""

from __future__ import annotations

from collections.abc import Sequence

from terratorch.colors import VIRIDIS, Color

# "RdBu" of https://colorbrewer2.org, safe for colour-blind readers: negative, 0, positive.
ERROR_RAMP: tuple[Color, ...] = (
    (33, 102, 172),
    (146, 197, 222),
    (247, 247, 247),
    (244, 165, 130),
    (178, 24, 43),
)
_LEAST_SHARE = 0.1  # of the shorter side of 0; less is noise around an unsigned quantity


def is_signed(low: float, high: float) -> bool:
    """Return whether values between two limits have both signs."""
    return low < 0 < high and min(-low, high) >= _LEAST_SHARE * max(-low, high)


def value_scale(limits: tuple[float, float]) -> tuple[float, float]:
    """Return the ends of a colour scale: the limits, symmetric around 0 for signed values."""
    low, high = limits
    end = max(-low, high)
    return (-end, end) if is_signed(low, high) else limits


def ramp_of(low: float, high: float) -> Sequence[Color]:
    """Return the colours of a scale between two ends."""
    return ERROR_RAMP if is_signed(low, high) else VIRIDIS
