"""Metrics over values as torchmetrics, and the collection of the regression tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection


class Sums(NamedTuple):
    """Sums over all values that count."""

    number: Tensor
    target: Tensor
    target_squared: Tensor
    absolute_error: Tensor
    squared_error: Tensor


def mean_absolute_error(sums: Sums) -> Tensor:
    """Return the mean absolute error."""
    return sums.absolute_error / sums.number


def mean_squared_error(sums: Sums) -> Tensor:
    """Return the mean squared error."""
    return sums.squared_error / sums.number


def root_mean_squared_error(sums: Sums) -> Tensor:
    """Return the root of the mean squared error."""
    return mean_squared_error(sums).sqrt()


def r2_score(sums: Sums) -> Tensor:
    """Return how much of the variance is explained; 1 is all, and a constant mean has 0."""
    return 1 - sums.squared_error / (sums.target_squared - sums.target**2 / sums.number)


class SumsMetric(Metric):
    """A metric that is read from sums; NaN where no value counts.

    Args:
        reduce: What is read from them, one of the functions above.
        kwargs: Arguments of `torchmetrics.Metric`.
    """

    full_state_update = False
    sums: Tensor

    def __init__(self, reduce: Callable[[Sums], Tensor], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reduce = reduce
        self.add_state("sums", torch.zeros(len(Sums._fields)), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add values `(B, ...)` and their target `(B, ...)`, which is NaN where none counts."""
        valid = ~target.isnan()
        # Millions of squares are too much for single precision; Apple's GPUs have no other.
        dtype = torch.float32 if target.device.type == "mps" else torch.float64
        wanted = target[valid].to(dtype)
        error = prediction[valid].to(dtype) - wanted
        number = torch.tensor(wanted.numel(), dtype=dtype, device=wanted.device)
        sums = Sums(
            number, wanted.sum(), wanted.square().sum(), error.abs().sum(), error.square().sum()
        )
        self.sums = self.sums + torch.stack(sums)

    def compute(self) -> Tensor:
        """Return the number."""
        return self.reduce(Sums(*self.sums)).float()


_REGRESSION: dict[str, Callable[[Sums], Tensor]] = {
    "MAE": mean_absolute_error,
    "MSE": mean_squared_error,
    "R2_Score": r2_score,
    "RMSE": root_mean_squared_error,
}


def regression_metrics() -> MetricCollection:
    """Return the metrics of a regression, under their public names."""
    metrics: dict[str, Metric | MetricCollection] = {
        name: SumsMetric(reduce) for name, reduce in _REGRESSION.items()
    }
    return MetricCollection(metrics, compute_groups=[list(metrics)])
