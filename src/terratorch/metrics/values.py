"""Value metrics for torchmetrics, and the collection that the regression tasks log."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from terratorch.metrics import formulas
from terratorch.metrics.formulas import ValueFormula, ValueSums


class SumsMetric(Metric):
    """A metric computed from sums over all values; NaN without a target.

    Args:
        reduce: The formula, from `terratorch.metrics.formulas`.
        kwargs: Arguments of `torchmetrics.Metric`.
    """

    full_state_update = False
    sums: Tensor

    def __init__(self, reduce: ValueFormula, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reduce = reduce
        self.add_state("sums", torch.zeros(len(ValueSums._fields)), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add values `(B, ...)` and their target `(B, ...)`, which is NaN where none counts."""
        valid = ~target.isnan()
        # Single precision loses digits over millions of squares; Apple GPUs have no double.
        dtype = torch.float32 if target.device.type == "mps" else torch.float64
        known = target[valid].to(dtype)
        error = prediction[valid].to(dtype) - known
        number = torch.tensor(known.numel(), dtype=dtype, device=known.device)
        sums = ValueSums(
            number, known.sum(), known.square().sum(), error.abs().sum(), error.square().sum()
        )
        self.sums = self.sums + torch.stack(sums)

    def compute(self) -> Tensor:
        """Return the value."""
        value: Tensor = self.reduce(ValueSums(*self.sums)).float()
        return value


def regression_metrics() -> MetricCollection:
    """Return the metrics of a regression, under their public names."""
    metrics: dict[str, Metric | MetricCollection] = {
        name: SumsMetric(reduce) for name, reduce in formulas.REGRESSION.items()
    }
    return MetricCollection(metrics, compute_groups=[list(metrics)])
