"""Losses over classes as a module, and the table of their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from terratorch.errors import ConfigurationError
from terratorch.losses import functional

WEIGHTED = "ce"  # the loss that takes class weights
CLASS_LOSSES: dict[str, Callable[..., Tensor]] = {
    WEIGHTED: functional.cross_entropy,
    "dice": functional.dice_loss,
    "jaccard": functional.jaccard_loss,
    "focal": functional.focal_loss,
    "lovasz": functional.lovasz_loss,
}


class ClassLoss(nn.Module):
    """A loss over classes, averaged over all targets that are not ignored.

    Args:
        name: One of `CLASS_LOSSES`.
        ignore_index: The target that is ignored; None for none.
        class_weights: A weight for each class; only `ce` uses them.
    """

    weight: Tensor | None

    def __init__(
        self,
        name: str,
        ignore_index: int | None = None,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.name, self.ignore_index = name, ignore_index
        is_weighted = class_weights is not None and name == WEIGHTED
        weight = torch.tensor(class_weights, dtype=torch.float32) if is_weighted else None
        # The name is that of the checkpoints: `criterion.weight`.
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits `(B, C, ...)` and class ids `(B, ...)`."""
        weights = {} if self.weight is None else {"weight": self.weight}
        return CLASS_LOSSES[self.name](logits, target, self.ignore_index, **weights)


def check_class_weights(class_weights: Sequence[float] | None, num_classes: int) -> None:
    """Raise a `ConfigurationError` unless there is a weight for each class, none below zero."""
    if class_weights is None:
        return
    subject = "model.init_args.class_weights"
    if len(class_weights) != num_classes:
        raise ConfigurationError(
            subject,
            f"{len(class_weights)} weights for {num_classes} classes",
            "Give one weight for each class, in the order of their ids.",
        )
    if min(class_weights) < 0:
        raise ConfigurationError(subject, f"a negative weight in {list(class_weights)}")
