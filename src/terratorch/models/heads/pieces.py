"""Pieces that heads share."""

from __future__ import annotations

from torch import nn


def dropout(ratio: float) -> nn.Module:
    """Return a dropout, or nothing at all for a ratio of 0."""
    return nn.Dropout(ratio) if ratio else nn.Identity()
