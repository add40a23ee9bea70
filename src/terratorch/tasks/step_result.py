"""What a step reads from a batch, and what it returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

# A batch as data loaders return it: images, targets, and facts by name.
Batch = Mapping[str, Any]
# What the forward of a model returns: a `ModelOutput`, or what its objective reads.
Returned = Any
# What metrics compare: a tensor, tensors by head, or a list of detections.
Compared = Any


class RawTarget(NamedTuple):
    """A target of a batch before it is fitted to the output of the model.

    Attributes:
        key: Its key in the batch.
        values: `(B, ...)`.
        valid: Where it counts; None for everywhere.
        num_classes: The number of classes; None if the values are not class ids.
    """

    key: str
    values: Tensor
    valid: Tensor | None = None
    num_classes: int | None = None


def largest_chip(
    targets: Iterable[RawTarget], size: tuple[int, int] | None
) -> tuple[int, int] | None:
    """Return height and width of the largest dense target, or of the largest before.

    Unlike the inputs of a batch, which may hold more than images, dense targets always have the
    size of the map; targets of whole images have none.
    """
    for target in targets:
        if target.values.ndim >= 3:
            height, width = target.values.shape[-2:]
            if size is None or height * width > size[0] * size[1]:
                size = (height, width)
    return size


class StepResult(NamedTuple):
    """The result of a step; a test step returns it, without gradients.

    Attributes:
        losses: The loss to minimise under `loss`, and its parts by name. Empty if the model
            computes its own loss and only in training.
        output: Scores of the main head, `(B, C, ...)` or `(B, ...)`; with several heads by name.
        decided: What the metrics compare with the target: class ids, or values.
        target: The target in the same form.
    """

    losses: dict[str, Tensor]
    output: Compared
    decided: Compared
    target: Compared

    @property
    def loss(self) -> Tensor:
        """The loss to minimise."""
        return self.losses["loss"]
