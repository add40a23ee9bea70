"""The scheduler that reduces the learning rate on a plateau of a metric."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer


class ReduceLROnPlateau(torch.optim.lr_scheduler.ReduceLROnPlateau):
    """Reduce the learning rate when a metric stops improving.

    Args:
        optimizer: The optimizer.
        monitor: The metric to watch; by default that of the task, such as `val/loss`.
        *args: Arguments of torch's scheduler.
        **kwargs: Arguments of torch's scheduler.
    """

    def __init__(
        self, optimizer: Optimizer, monitor: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(optimizer, *args, **kwargs)
        self.monitor = monitor
