"""What a step of a task found, for callbacks that look at the samples of a batch."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class StepResult(NamedTuple):
    """The result of a step; what a test step returns, without gradients.

    Attributes:
        loss: Of the batch.
        output: What the main head gave: `(B, C, ...)` or `(B, ...)`.
        decided: What the task decides, and what its metrics count: class ids, or values.
        target: The target in the same form; `valid_targets` of the task tells where it counts.
    """

    loss: Tensor
    output: Tensor
    decided: Tensor
    target: Tensor
