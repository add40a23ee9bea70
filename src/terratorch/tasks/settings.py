"""What the arguments of a task say, as one typed object, and as plain values for a checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from enum import Enum
from os import PathLike, fspath
from typing import Any

import numpy as np
from torch import Tensor, nn

from terratorch.errors import ConfigurationError
from terratorch.models.config import auxiliary_heads
from terratorch.models.model import AuxiliaryHead
from terratorch.tasks.loss_handler import check_aux_loss_names
from terratorch.tiles.parameters import (
    TiledInferenceParameters,
    parse_tiled_inference_parameters,
)

logger = logging.getLogger(__name__)

# Where the arguments of a task stand in a configuration.
PATH = "model.init_args"


@dataclass(frozen=True)
class TaskSettings:
    """The arguments that tasks share; each public constructor has those that it needs.

    Attributes:
        model_args: Arguments of the model factory.
        model_factory: Name of the model factory.
        loss: Name, names or weighted names of losses, or a module.
        aux_heads: Auxiliary heads of the model.
        aux_loss: Weight of each auxiliary head in the loss.
        class_weights: Weight of each class in the loss.
        ignore_index: The target that enters neither loss nor metrics.
        custom_loss: Whether `loss` is the path of a class.
        custom_loss_kwargs: Arguments of that class.
        lr: Learning rate.
        optimizer: Name of a class of `torch.optim`.
        optimizer_hparams: Its other arguments.
        scheduler: Name of a class of `torch.optim.lr_scheduler`.
        scheduler_hparams: Its arguments.
        freeze_backbone: Whether the encoder is excluded from training.
        freeze_decoder: Whether the decoder is excluded from training.
        freeze_head: Whether the head is excluded from training.
        plot_on_val: Every how many epochs samples are plotted; True for each, False for none.
        class_names: Names of the classes, in the order of their ids.
        tiled_inference_parameters: How scenes are cut into tiles; None for no tiles.
        tiled_inference_on_testing: Whether tests run tile by tile.
        tiled_inference_on_validation: Whether validation runs tile by tile.
        test_dataloaders_names: Names of the test sets.
        lr_overrides: Learning rates of parameters whose name contains the key.
        output_on_inference: Which layers a prediction has.
        output_most_probable: Whether the prediction is the most probable class.
        path_to_record_metrics: Where the metrics of a test are written.
    """

    model_args: dict[str, Any] = field(default_factory=dict)
    model_factory: str | None = None
    loss: str | Sequence[str] | Mapping[str, float] | nn.Module = "ce"
    aux_heads: Sequence[AuxiliaryHead] = ()
    aux_loss: dict[str, float] | None = None
    class_weights: Sequence[float] | None = None
    ignore_index: int | None = None
    custom_loss: bool = False
    custom_loss_kwargs: dict[str, Any] | None = None
    lr: float = 1e-3
    optimizer: str | None = None
    optimizer_hparams: dict[str, Any] | None = None
    scheduler: str | None = None
    scheduler_hparams: dict[str, Any] | None = None
    freeze_backbone: bool = False
    freeze_decoder: bool = False
    freeze_head: bool = False
    plot_on_val: bool | int = False
    class_names: Sequence[str] | None = None
    tiled_inference_parameters: TiledInferenceParameters | None = None
    tiled_inference_on_testing: bool = False
    tiled_inference_on_validation: bool = False
    test_dataloaders_names: Sequence[str] | None = None
    lr_overrides: dict[str, float] | None = None
    output_on_inference: str | Sequence[str] = "prediction"
    output_most_probable: bool = True
    path_to_record_metrics: str | None = None

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> TaskSettings:
        """Read the arguments of a constructor; those that are None take their default here."""
        names = {entry.name for entry in fields(cls)}
        given = {
            name: value for name, value in arguments.items() if name in names and value is not None
        }
        if "aux_heads" in given:
            given["aux_heads"] = auxiliary_heads(given["aux_heads"], f"{PATH}.aux_heads")
        tiled = "tiled_inference_parameters"
        given[tiled] = parse_tiled_inference_parameters(given.get(tiled), f"{PATH}.{tiled}")
        settings = cls(**given)
        settings._check()
        return settings

    @property
    def chip_size(self) -> int | None:
        """The pixels a side that the model was built for, where its arguments say so."""
        size = self.model_args.get("backbone_img_size", self.model_args.get("img_size"))
        return size if isinstance(size, int) else None

    def _check(self) -> None:
        if self.custom_loss_kwargs and not self.custom_loss:
            raise ConfigurationError(
                f"{PATH}.custom_loss_kwargs",
                "given, but custom_loss is false",
                "Set custom_loss: true.",
            )
        self._check_aux_heads()
        if self.scheduler is None and self.scheduler_hparams:
            raise ConfigurationError(f"{PATH}.scheduler_hparams", "given, but scheduler is not")
        names = self.test_dataloaders_names
        if names is not None and len(set(names)) < len(names):
            raise ConfigurationError(f"{PATH}.test_dataloaders_names", f"a name twice in {names}")

    def _check_aux_heads(self) -> None:
        combined = () if isinstance(self.loss, str | nn.Module) else self.loss
        logged = ("loss", "decoder", *combined)
        for head in self.aux_heads:
            if head.name in logged:
                raise ConfigurationError(
                    f"{PATH}.aux_heads",
                    f"one is called {head.name!r}, under which another loss is logged",
                    "Choose another name.",
                )
        if self.aux_heads and self.aux_loss is not None:
            check_aux_loss_names(self.aux_loss, {head.name: head for head in self.aux_heads})


def holds_module(value: Any) -> bool:
    """Return whether a value is a module, or a container that holds one at any depth."""
    if isinstance(value, Mapping):
        return any(holds_module(entry) for entry in value.values())
    if isinstance(value, list | tuple):
        return any(holds_module(entry) for entry in value)
    return isinstance(value, nn.Module)


def to_plain(value: Any, name: str) -> Any:
    """Return a value as plain containers, so that a checkpoint loads without pickle.

    A module, such as a model or a loss that is given as an object, becomes None.

    Args:
        value: The value of an argument.
        name: The name of the argument, for the log.
    """
    if isinstance(value, Enum):
        return to_plain(value.value, name)
    if value is None or isinstance(value, nn.Module):
        return None
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, np.generic | np.ndarray | Tensor):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return to_plain(asdict(value), name)
    if isinstance(value, Mapping):
        return {to_plain(key, name): to_plain(entry, name) for key, entry in value.items()}
    if isinstance(value, Sequence | set):
        return [to_plain(entry, name) for entry in value]
    if isinstance(value, PathLike):
        return fspath(value)
    logger.warning("%s: a %s is not stored in checkpoints", name, type(value).__qualname__)
    return None
