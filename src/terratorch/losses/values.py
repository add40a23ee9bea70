"""Losses over values, as pure functions and modules, and the table of their names.

Targets that are NaN enter neither the loss nor its gradient.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

# The root has no gradient at zero, the loss of a perfect or ignored batch.
_SMALLEST = 1e-12


def _mean_of(loss: Callable[..., Tensor], prediction: Tensor, target: Tensor) -> Tensor:
    # The mean of an empty tensor would be NaN.
    return loss(prediction, target, reduction="sum") / max(target.numel(), 1)


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error; 0 for an empty tensor."""
    return _mean_of(functional.mse_loss, prediction, target)


def mae(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute error; 0 for an empty tensor."""
    return _mean_of(functional.l1_loss, prediction, target)


def huber(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the Huber loss; 0 for an empty tensor."""
    return _mean_of(functional.huber_loss, prediction, target)


def rmse(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the loss that configurations call `rmse`: the root of the root mean squared error.

    It is the fourth root of the squared error, kept because people train with it; the metric
    `RMSE` is the plain root.
    """
    return mse(prediction, target).clamp_min(_SMALLEST).sqrt().sqrt()


VALUE_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": mse,
    "rmse": rmse,
    "mae": mae,
    "huber": huber,
}


class ValueLoss(nn.Module):
    """A loss over values.

    Args:
        name: One of `VALUE_LOSSES`.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss of values `(B, ...)`, or `(B, 1, ...)`, and a target `(B, ...)`."""
        if prediction.ndim == target.ndim + 1:
            prediction = prediction.squeeze(1)
        valid = ~target.isnan()
        return VALUE_LOSSES[self.name](prediction.float()[valid], target.float()[valid])
