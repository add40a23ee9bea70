"""Losses over classes, as pure functions of logits `(B, C, ...)` and class ids `(B, ...)`.

Targets that equal `ignore_index` enter neither the loss nor its gradient; a batch that is wholly
ignored has the loss zero. All other class ids must be valid.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# Ignored by the cross entropy of torch if nothing else is: no class has this id.
_NO_CLASS = -100


def cross_entropy(
    logits: Tensor, target: Tensor, ignore_index: int | None = None, weight: Tensor | None = None
) -> Tensor:
    """Return the cross entropy, averaged with the weights of the classes."""
    ignored = _NO_CLASS if ignore_index is None else ignore_index
    logits = logits.float()
    total = functional.cross_entropy(
        logits, target, weight=weight, ignore_index=ignored, reduction="sum"
    )
    valid = target != ignored
    if weight is None:
        share = valid.sum().to(total.dtype)
    else:
        share = (weight[target.where(valid, 0)] * valid).sum()
    # The mean of torch would be 0 / 0 if all targets are ignored.
    return total / share.clamp_min(torch.finfo(total.dtype).tiny)


def tversky_loss(
    logits: Tensor,
    target: Tensor,
    ignore_index: int | None = None,
    alpha: float = 0.5,
    beta: float = 0.5,
    epsilon: float = 1e-7,
) -> Tensor:
    """Return one minus the soft Tversky index, averaged over all classes.

    A class that is absent from the batch counts as zero. `alpha = beta = 0.5` is the Dice loss,
    `alpha = beta = 1` the Jaccard loss. Tversky loss: https://arxiv.org/abs/1706.05721

    Args:
        logits: Scores `(B, C, ...)`.
        target: Class ids `(B, ...)`.
        ignore_index: The target that is ignored.
        alpha: Weight of false positives.
        beta: Weight of false negatives.
        epsilon: Lower bound of the denominator.
    """
    scores, labels = _valid_rows(logits, target, ignore_index)
    probabilities = scores.softmax(dim=1)
    truth = functional.one_hot(labels, scores.shape[1]).to(probabilities.dtype)
    hits = (probabilities * truth).sum(dim=0)
    present = truth.sum(dim=0)
    false_positives = probabilities.sum(dim=0) - hits
    false_negatives = present - hits
    index = hits / (hits + alpha * false_positives + beta * false_negatives).clamp_min(epsilon)
    return ((1 - index) * (present > 0)).mean()


def dice_loss(logits: Tensor, target: Tensor, ignore_index: int | None = None) -> Tensor:
    """Return the soft Dice loss over all classes: https://arxiv.org/abs/1606.04797."""
    return tversky_loss(logits, target, ignore_index, alpha=0.5, beta=0.5)


def jaccard_loss(logits: Tensor, target: Tensor, ignore_index: int | None = None) -> Tensor:
    """Return the soft Jaccard loss over all classes."""
    return tversky_loss(logits, target, ignore_index, alpha=1.0, beta=1.0)


def focal_loss(
    logits: Tensor,
    target: Tensor,
    ignore_index: int | None = None,
    gamma: float = 2.0,
    epsilon: float = 1e-6,
) -> Tensor:
    """Return the normalised focal loss, each class against the rest.

    Focal loss: https://arxiv.org/abs/1708.02002, normalised as in https://arxiv.org/abs/1909.07829.

    Args:
        logits: Scores `(B, C, ...)`.
        target: Class ids `(B, ...)`; an id outside the classes is a negative for each class.
        ignore_index: The target that is ignored.
        gamma: The power that reduces the weight of easy pixels.
        epsilon: Lower bound of the norm.
    """
    scores, labels = _valid_rows(logits, target, ignore_index)
    classes = torch.arange(scores.shape[1], device=scores.device)
    truth = (labels.unsqueeze(1) == classes).to(scores.dtype)
    entropy = functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    focus = (1 - torch.exp(-entropy)).pow(gamma)
    norm = focus.sum(dim=0).clamp_min(epsilon)
    per_class = (focus * entropy / norm).sum(dim=0) / max(len(scores), 1)
    return per_class.mean()


def lovasz_loss(logits: Tensor, target: Tensor, ignore_index: int | None = None) -> Tensor:
    """Return the Lovasz-Softmax loss over the classes that are present.

    Berman et al. 2018, https://arxiv.org/abs/1705.08790.
    """
    scores, labels = _valid_rows(logits, target, ignore_index)
    if len(scores) == 0:
        return scores.sum()
    probabilities = scores.softmax(dim=1)
    truth = functional.one_hot(labels, scores.shape[1]).to(probabilities.dtype)
    errors, order = (truth - probabilities).abs().sort(dim=0, descending=True)
    losses = (errors * _lovasz_gradient(truth.gather(0, order))).sum(dim=0)
    present = truth.sum(dim=0) > 0
    return (losses * present).sum() / present.sum()


def _lovasz_gradient(truth_sorted: Tensor) -> Tensor:
    """Return the gradient `(P, C)` of the Lovasz extension, by algorithm 1 of the paper."""
    present = truth_sorted.sum(dim=0, keepdim=True)
    intersection = present - truth_sorted.cumsum(dim=0)
    union = present + (1 - truth_sorted).cumsum(dim=0)
    jaccard = 1 - intersection / union
    return torch.cat([jaccard[:1], jaccard.diff(dim=0)])


def _valid_rows(logits: Tensor, target: Tensor, ignore_index: int | None) -> tuple[Tensor, Tensor]:
    """Return float32 scores `(P, C)` and class ids `(P,)` of the targets that are not ignored."""
    scores = logits.float().movedim(1, -1).flatten(0, -2)
    labels = target.flatten()
    if ignore_index is None:
        return scores, labels
    valid = labels != ignore_index
    return scores[valid], labels[valid]
