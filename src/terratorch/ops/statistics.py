"""Mean, standard deviation, minimum and maximum of bands, in one pass over any number of images.

Each image gives its own moments in float64, and moments are merged with the update of Chan, Golub
and LeVeque ("Updating formulae and a pairwise algorithm for computing sample variances", 1979),
which is exact where sums of squares are not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Moments of the values of each band so far; each a float64 tensor `(C,)`.

    Args:
        count: How many values.
        mean: Their mean; 0 if there are no values.
        squares: The sum of their squared differences to the mean.
        minimum: The least; infinite if there are no values.
        maximum: The greatest; minus infinite if there are no values.
    """

    count: Tensor
    mean: Tensor
    squares: Tensor
    minimum: Tensor
    maximum: Tensor

    @property
    def std(self) -> Tensor:
        """The standard deviation of each band, of the population."""
        return (self.squares / self.count.clamp(min=1)).sqrt()

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of values together."""
        count = self.count + other.count
        share = other.count / count.clamp(min=1)
        delta = other.mean - self.mean
        return Moments(
            count,
            self.mean + delta * share,
            self.squares + other.squares + delta.square() * self.count * share,
            torch.minimum(self.minimum, other.minimum),
            torch.maximum(self.maximum, other.maximum),
        )


def image_moments(image: Tensor, valid: Tensor | None = None) -> Moments:
    """Return the moments of the bands of one image.

    Args:
        image: `(C, H, W)` or `(C, T, H, W)`. NaN and infinite values are ignored.
        valid: `(H, W)`, False for nodata pixels; None if all are valid.
    """
    values = image.to(torch.float64)
    used = torch.isfinite(values)
    if valid is not None:
        used &= valid
    values, used = values.flatten(1), used.flatten(1)
    count = used.sum(dim=1).to(torch.float64)
    mean = values.where(used, 0.0).sum(dim=1) / count.clamp(min=1)
    deviations = (values - mean[:, None]).where(used, 0.0)
    return Moments(
        count,
        mean,
        deviations.square().sum(dim=1),
        values.where(used, torch.inf).amin(dim=1),
        values.where(used, -torch.inf).amax(dim=1),
    )


def count_classes(mask: Tensor) -> Counter[int]:
    """Count the pixels of each class id in a mask of any shape."""
    ids, counts = torch.unique(mask, return_counts=True)
    return Counter(dict(zip(ids.tolist(), counts.tolist(), strict=True)))
