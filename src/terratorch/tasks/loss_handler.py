"""The public path of `LossHandler` and `CombinedLoss`."""

from terratorch.losses.combined import CombinedLoss
from terratorch.losses.handler import LossHandler

__all__ = ["CombinedLoss", "LossHandler"]
