"""Losses over classes as modules, and the table of their names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from terratorch.errors import ConfigurationError
from terratorch.losses import functional


class ClassLoss(nn.Module):
    """The base of losses over classes.

    Args:
        ignore_index: The target that is ignored; None for none.
    """

    def __init__(self, ignore_index: int | None = None) -> None:
        super().__init__()
        self.ignore_index = ignore_index


class CrossEntropyLoss(ClassLoss):
    """The cross entropy, averaged over all targets that are not ignored.

    Args:
        ignore_index: The target that is ignored; None for none.
        class_weights: A weight for each class.
    """

    weight: Tensor | None

    def __init__(
        self, ignore_index: int | None = None, class_weights: Sequence[float] | None = None
    ) -> None:
        super().__init__(ignore_index)
        weight = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        # The name is that of the checkpoints: `criterion.weight`.
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits `(B, C, ...)` and class ids `(B, ...)`."""
        return functional.cross_entropy(logits, target, self.ignore_index, self.weight)


class DiceLoss(ClassLoss):
    """The soft Dice loss."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits `(B, C, ...)` and class ids `(B, ...)`."""
        return functional.dice_loss(logits, target, self.ignore_index)


class JaccardLoss(ClassLoss):
    """The soft Jaccard loss."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits `(B, C, ...)` and class ids `(B, ...)`."""
        return functional.jaccard_loss(logits, target, self.ignore_index)


class FocalLoss(ClassLoss):
    """The normalised focal loss."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits `(B, C, ...)` and class ids `(B, ...)`."""
        return functional.focal_loss(logits, target, self.ignore_index)


class LovaszLoss(ClassLoss):
    """The Lovasz-Softmax loss."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits `(B, C, ...)` and class ids `(B, ...)`."""
        return functional.lovasz_loss(logits, target, self.ignore_index)


CLASS_LOSSES: dict[str, type[ClassLoss]] = {
    "ce": CrossEntropyLoss,
    "dice": DiceLoss,
    "jaccard": JaccardLoss,
    "focal": FocalLoss,
    "lovasz": LovaszLoss,
}


def build_class_loss(
    name: str, ignore_index: int | None, class_weights: Sequence[float] | None
) -> nn.Module:
    """Return the loss of this name, one of `CLASS_LOSSES`."""
    loss = CLASS_LOSSES[name]
    if issubclass(loss, CrossEntropyLoss):
        return loss(ignore_index, class_weights)
    return loss(ignore_index)


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
