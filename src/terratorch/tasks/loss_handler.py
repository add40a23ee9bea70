"""From the output of a model to the losses of a step, and to the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from terratorch.errors import ConfigurationError, did_you_mean
from terratorch.losses.combined import CombinedLoss
from terratorch.models.model import ModelOutput

__all__ = ["CombinedLoss", "LossHandler", "check_aux_loss_names", "compute_losses", "log_losses"]


def compute_losses(
    model_output: ModelOutput,
    ground_truth: Tensor,
    criterion: nn.Module,
    aux_loss_weights: Mapping[str, float] | None = None,
) -> dict[str, Tensor]:
    """Return the loss under `loss`, and its parts by name if there are several.

    The parts are those of a combined loss and, with auxiliary heads, `decoder` for the main head
    and each auxiliary head under its name.

    Args:
        model_output: What the model returned.
        ground_truth: The target of the main head and of each auxiliary head.
        criterion: The loss; returns one, or several by name with their sum under `loss`.
        aux_loss_weights: The weights of the auxiliary heads; by default 1.

    Raises:
        ConfigurationError: If a weight names a head that the model does not have.
    """
    parts = _as_parts(criterion(model_output.output, ground_truth))
    heads = model_output.auxiliary_heads or {}
    if aux_loss_weights is not None:
        check_aux_loss_names(aux_loss_weights, heads)
    if not heads:
        return parts
    weights = dict.fromkeys(heads, 1.0) if aux_loss_weights is None else aux_loss_weights
    parts["decoder"] = parts["loss"]
    total = parts["loss"]
    for name, scores in heads.items():
        parts[name] = _as_parts(criterion(scores, ground_truth))["loss"]
        total = total + weights[name] * parts[name]
    return {**parts, "loss": total}


def log_losses(
    log: Callable[..., None], prefix: str, losses: Mapping[str, Tensor], batch_size: int
) -> None:
    """Log the loss once an epoch, and its parts at each step too."""
    for name, value in losses.items():
        log(
            f"{prefix}{name}",
            value.detach(),
            batch_size=batch_size,
            on_step=name != "loss",
            on_epoch=True,
            prog_bar=name == "loss",
            sync_dist=prefix != "train/",
            add_dataloader_idx=False,
        )


def check_aux_loss_names(weights: Mapping[str, float], heads: Mapping[str, object]) -> None:
    """Raise a `ConfigurationError` unless weights and auxiliary heads have the same names."""
    subject = "model.init_args.aux_loss"
    for name in weights:
        if name not in heads:
            raise ConfigurationError(
                f"{subject}.{name}",
                f"no auxiliary head has this name; there are {sorted(heads)}",
                did_you_mean(name, heads),
            )
    missing = sorted(set(heads) - set(weights))
    if missing:
        raise ConfigurationError(
            subject, f"no weight for the auxiliary heads {missing}", "Give each one a weight."
        )


def zero_losses(losses: Mapping[str, Tensor], output: ModelOutput) -> dict[str, Tensor]:
    """Return zero for each loss, for a batch without a target that counts.

    Losses differ in what they return for an empty target: zero, NaN, or a loss of ignored pixels.
    The zeros depend on all outputs, since distributed training waits for every gradient.
    """
    outputs = (output.output, *(output.auxiliary_heads or {}).values())
    zero = torch.stack([(scores * 0).sum() for scores in outputs]).sum()
    return dict.fromkeys(losses, zero)


def _as_parts(loss: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    if isinstance(loss, Tensor):
        return {"loss": loss}
    if "loss" not in loss:
        raise ConfigurationError(
            "model.init_args.loss",
            f"its forward returned {sorted(loss)}",
            "A loss of several parts must return their sum under 'loss'.",
        )
    return dict(loss)


class LossHandler:
    """The public form of `compute_losses` and `log_losses`.

    Args:
        loss_prefix: What the logged names start with, such as `train/`.
    """

    compute_loss = staticmethod(compute_losses)

    def __init__(self, loss_prefix: str) -> None:
        self.loss_prefix = loss_prefix

    def log_loss(
        self, log: Callable[..., None], loss_dict: Mapping[str, Tensor], batch_size: int
    ) -> None:
        """Log the loss once an epoch, and its parts at each step too."""
        log_losses(log, self.loss_prefix, loss_dict, batch_size)
