"""Pixel-wise regression: a value for each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from terratorch.errors import ConfigurationError
from terratorch.losses.values import VALUE_LOSSES, ValueLoss
from terratorch.tasks.batch_checks import RESCALE, shapes_differ
from terratorch.tasks.objectives.supervised import SupervisedObjective
from terratorch.tasks.settings import PATH
from terratorch.tasks.step_result import Batch

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


class RegressionObjective(SupervisedObjective):
    """Learn a value for each pixel from `mask` `(B, H, W)`; NaN is ignored."""

    task = "regression"
    loss_names: ClassVar[tuple[str, ...]] = tuple(VALUE_LOSSES)
    default_loss: ClassVar[str] = "mse"

    def check_settings(self) -> None:
        """Refuse weights of several variables."""
        weights = self.settings.loss.variable_weights
        if weights is not None and len(weights) != 1:
            raise ConfigurationError(
                f"{PATH}.var_weights", f"{len(weights)} weights for one variable", "Drop them."
            )

    def build_loss(self, name: str) -> nn.Module:
        """Return the loss of this name."""
        return ValueLoss(name)

    def metrics(self) -> MetricCollection:
        """Return the metrics of a regression."""
        from terratorch.metrics.values import regression_metrics

        return regression_metrics()

    def valid(self, target: Tensor) -> Tensor:
        """Return where a target is a number, and not the ignored one."""
        numbers = ~target.isnan()
        ignored = self.settings.loss.ignore_index
        return numbers if ignored is None else numbers & (target != ignored)

    def targets(self, batch: Batch, scores: Tensor) -> Tensor:
        """Return values `(B, H, W)` that fit the prediction, NaN where none counts."""
        target: Tensor = batch[self.target_key]
        values = self.decide(scores)
        if target.ndim == values.ndim + 1 and target.shape[1] == 1:
            target = target.squeeze(1)
        if target.shape != values.shape:
            several = values.ndim > target.ndim
            cure = f"Set {PATH}.model_args.num_outputs: 1, as there is one target."
            raise shapes_differ(self.target_key, target, values, cure if several else RESCALE)
        return target.where(self.valid(target), torch.nan)

    def decide(self, scores: Tensor) -> Tensor:
        """Return the values `(B, H, W)` of scores that may be `(B, 1, H, W)`."""
        return scores.squeeze(1) if scores.ndim == 4 else scores
