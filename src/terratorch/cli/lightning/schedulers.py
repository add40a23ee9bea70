"""The scheduler that watches a metric, without having to name it."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer


class ReduceLROnPlateau(torch.optim.lr_scheduler.ReduceLROnPlateau):
    """Reduce the learning rate when a metric stops improving.

    Args:
        optimizer: What it schedules.
        monitor: The metric to watch; None takes that of the task, `val/loss` by default.
        *args: Passed on to that of torch.
        **kwargs: Passed on to that of torch.
    """

    def __init__(
        self, optimizer: Optimizer, monitor: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(optimizer, *args, **kwargs)
        self.monitor = monitor
