"""Several losses as one, and how a configuration names them."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from terratorch.errors import ConfigurationError, did_you_mean

# Names of losses in other libraries, in lower case letters only, for suggestions.
OTHER_NAMES: dict[str, str] = {
    "crossentropy": "ce",
    "categoricalcrossentropy": "ce",
    "softmax": "ce",
    "xent": "ce",
    "nll": "ce",
    "f1": "dice",
    "iou": "jaccard",
    "lovaszsoftmax": "lovasz",
    "l1": "mae",
    "meanabsoluteerror": "mae",
    "l2": "mse",
    "meansquarederror": "mse",
    "smoothl1": "huber",
    "rootmeansquarederror": "rmse",
}


class CombinedLoss(nn.Module):
    """The weighted sum of several losses.

    Args:
        losses: The losses by name.
        weight: A weight for each, in the same order; None for one each.
    """

    weight: Tensor | None

    def __init__(
        self, losses: Mapping[str, nn.Module], weight: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        assert weight is None or len(weight) == len(losses)
        # The names are those of the checkpoints: `criterion.losses.ce`, `criterion.weight`.
        self.losses = nn.ModuleDict(dict(losses))
        values = None if weight is None else torch.tensor(list(weight), dtype=torch.float32)
        self.register_buffer("weight", values)

    def forward(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return each loss, unweighted, under its name, and their sum under `loss`."""
        parts = {name: loss(prediction, target) for name, loss in self.losses.items()}
        stacked = torch.stack(list(parts.values()))
        total = stacked.sum() if self.weight is None else (stacked * self.weight).sum()
        return {**parts, "loss": total}


def build_losses(
    names: str | Sequence[str] | Mapping[str, float],
    known: Iterable[str],
    build: Callable[[str], nn.Module],
    subject: str = "model.init_args.loss",
) -> nn.Module:
    """Return the loss that a configuration names: one, the sum of a list, or a weighted sum.

    Args:
        names: A name, a list of names, or weights by name.
        known: The available names.
        build: Builds one loss from its name.
        subject: The path of the names in the configuration.

    Raises:
        ConfigurationError: If a name is unknown or given twice, or there is no name.
    """
    listed = [names] if isinstance(names, str) else list(names)
    known = list(known)
    if not listed:
        raise ConfigurationError(subject, "no loss", f"Losses: {', '.join(known)}.")
    for name in listed:
        if name not in known:
            cure = f"{_suggestion(str(name), known)} Losses: {', '.join(known)}."
            raise ConfigurationError(subject, f"unknown loss {name!r}", cure.strip())
    if len(set(listed)) < len(listed):
        raise ConfigurationError(subject, f"a loss twice in {listed}", "Give weights instead.")
    if isinstance(names, str):
        return build(names)
    weight = list(names.values()) if isinstance(names, Mapping) else None
    return CombinedLoss({name: build(name) for name in listed}, weight)


def _suggestion(name: str, known: Sequence[str]) -> str:
    """Suggest the loss that has this name in other libraries, or close names."""
    letters = re.sub("[^a-z0-9]", "", name.lower())
    meant = OTHER_NAMES.get(letters) or OTHER_NAMES.get(letters.removesuffix("loss"))
    return f"Did you mean '{meant}'?" if meant in known else did_you_mean(name, known)


def load_loss(
    path: object, arguments: Mapping[str, object], subject: str = "model.init_args.loss"
) -> nn.Module:
    """Return a user's own loss.

    Args:
        path: The path of its class: `package.module.Class`.
        arguments: Its arguments.
        subject: The path of the argument in the configuration.

    Raises:
        ConfigurationError: If the class does not exist, or does not take the arguments.
    """
    module, _, name = str(path).rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ValueError, ModuleNotFoundError, AttributeError) as error:
        raise ConfigurationError(
            subject, f"there is no class {path!r}", "With custom_loss, give package.module.Class."
        ) from error
    try:
        inspect.signature(kind).bind(**arguments)
    except TypeError as error:
        raise ConfigurationError(f"{subject}: custom_loss_kwargs of {path}", str(error)) from error
    loss: nn.Module = kind(**arguments)
    return loss
