"""The settings of a task: nested values, translated here from flat constructor arguments.

`tasks/arguments.py` describes each argument; a field here names in its type the argument that
sets it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, get_type_hints

from torch import nn

from terratorch.errors import ConfigurationError
from terratorch.models.config import auxiliary_heads
from terratorch.models.model import AuxiliaryHead
from terratorch.tasks.loss_handler import check_aux_loss_names
from terratorch.tiles.parameters import (
    TiledInferenceParameters,
    parse_tiled_inference_parameters,
)

# The path of the arguments of a task in a configuration.
PATH = "model.init_args"

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class ModelSettings:
    """Which model is built."""

    arguments: Annotated[Arguments, "model_args"] = field(default_factory=dict)
    factory: Annotated[str | None, "model_factory"] = None
    auxiliary_heads: Annotated[tuple[AuxiliaryHead, ...], "aux_heads"] = ()


@dataclass(frozen=True)
class ClassSettings:
    """The classes of a target; `count` is not yet checked."""

    count: Annotated[int | None, "num_classes"] = None
    names: Annotated[Sequence[str] | None, "class_names"] = None
    weights: Annotated[Sequence[float] | None, "class_weights"] = None


@dataclass(frozen=True)
class LossSettings:
    """What is minimised, and which targets count."""

    loss: Annotated[str | Sequence[str] | Mapping[str, float] | nn.Module | None, "loss"] = None
    is_path: Annotated[bool, "custom_loss"] = False
    arguments: Annotated[Arguments, "custom_loss_kwargs"] = field(default_factory=dict)
    auxiliary_weights: Annotated[Mapping[str, float] | None, "aux_loss"] = None
    ignore_index: Annotated[int | None, "ignore_index"] = None
    variable_weights: Annotated[Sequence[float] | None, "var_weights"] = None


@dataclass(frozen=True)
class OptimizerSettings:
    """How parameters are updated."""

    lr: Annotated[float, "lr"] = 1e-3
    optimizer: Annotated[str, "optimizer"] = "Adam"
    optimizer_arguments: Annotated[Arguments, "optimizer_hparams"] = field(default_factory=dict)
    scheduler: Annotated[str | None, "scheduler"] = None
    scheduler_arguments: Annotated[Arguments, "scheduler_hparams"] = field(default_factory=dict)
    lr_overrides: Annotated[Mapping[str, float] | None, "lr_overrides"] = None


@dataclass(frozen=True)
class FreezingSettings:
    """Which parts of the model are excluded from training."""

    backbone: Annotated[bool, "freeze_backbone"] = False
    decoder: Annotated[bool, "freeze_decoder"] = False
    head: Annotated[bool, "freeze_head"] = False


@dataclass(frozen=True)
class TileSettings:
    """How large images are cut into tiles; without parameters, by defaults that fit the model."""

    parameters: Annotated[TiledInferenceParameters | None, "tiled_inference_parameters"] = None
    testing: Annotated[bool, "tiled_inference_on_testing"] = False
    validation: Annotated[bool, "tiled_inference_on_validation"] = False


@dataclass(frozen=True)
class OutputSettings:
    """What a prediction holds."""

    layers: Annotated[tuple[str, ...], "output_on_inference"] = ("prediction",)
    most_probable: Annotated[bool, "output_most_probable"] = True


@dataclass(frozen=True)
class ReportSettings:
    """What is plotted and recorded; `plot_every` counts epochs, 0 for never."""

    plot_every: Annotated[int, "plot_on_val"] = 0
    metrics_path: Annotated[str | None, "path_to_record_metrics"] = None
    test_names: Annotated[Sequence[str] | None, "test_dataloaders_names"] = None


@dataclass(frozen=True)
class TaskSettings:
    """All settings of a task."""

    model: ModelSettings = field(default_factory=ModelSettings)
    classes: ClassSettings = field(default_factory=ClassSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    freezing: FreezingSettings = field(default_factory=FreezingSettings)
    tiles: TileSettings = field(default_factory=TileSettings)
    outputs: OutputSettings = field(default_factory=OutputSettings)
    reports: ReportSettings = field(default_factory=ReportSettings)

    @classmethod
    def from_arguments(cls, arguments: Arguments) -> TaskSettings:
        """Translate the flat arguments of a constructor; None stands for the default.

        Raises:
            ConfigurationError: If arguments contradict each other.
        """
        chosen = {name: value for name, value in arguments.items() if value is not None}
        _check_arguments(chosen)
        chosen = _converted(chosen)
        sections: dict[str, Any] = {}
        for section in fields(cls):
            kind: Any = section.default_factory
            hints = get_type_hints(kind, include_extras=True)
            named = {name: hint.__metadata__[0] for name, hint in hints.items()}
            values = {name: chosen[key] for name, key in named.items() if key in chosen}
            sections[section.name] = kind(**values)
        return cls(**sections)


def _converted(chosen: Arguments) -> dict[str, Any]:
    """Return arguments in the form of the settings."""
    values = dict(chosen)
    if "aux_heads" in values:
        values["aux_heads"] = auxiliary_heads(values["aux_heads"], f"{PATH}.aux_heads")
        _check_auxiliary_heads(values)
    tiled = "tiled_inference_parameters"
    values[tiled] = parse_tiled_inference_parameters(values.get(tiled), f"{PATH}.{tiled}")
    layers = values.get("output_on_inference", "prediction")
    values["output_on_inference"] = (layers,) if isinstance(layers, str) else tuple(layers)
    values["plot_on_val"] = int(values.get("plot_on_val", 0))
    names = values.get("class_names")
    count = values.get("model_args", {}).get("num_classes")
    values["num_classes"] = len(names) if count is None and names is not None else count
    return values


def _check_arguments(chosen: Arguments) -> None:
    if chosen.get("custom_loss_kwargs") and not chosen.get("custom_loss"):
        raise ConfigurationError(
            f"{PATH}.custom_loss_kwargs", "set, but custom_loss is false", "Set custom_loss: true."
        )
    if chosen.get("scheduler_hparams") and "scheduler" not in chosen:
        raise ConfigurationError(
            f"{PATH}.scheduler_hparams", "set, but scheduler is not", "Name the scheduler."
        )
    for argument in ("test_dataloaders_names", "class_names"):
        names = chosen.get(argument, ())
        if len(set(names)) < len(names):
            raise ConfigurationError(
                f"{PATH}.{argument}", f"contains a name twice: {list(names)}", "Use unique names."
            )


def _check_auxiliary_heads(chosen: Arguments) -> None:
    loss = chosen.get("loss")
    combined = () if loss is None or isinstance(loss, str | nn.Module) else loss
    heads: Sequence[AuxiliaryHead] = chosen["aux_heads"]
    for head in heads:
        if head.name in ("loss", "decoder", *combined):
            raise ConfigurationError(
                f"{PATH}.aux_heads",
                f"a head is called {head.name!r}, and another loss is logged under that name",
                "Choose another name.",
            )
    if heads and "aux_loss" in chosen:
        check_aux_loss_names(chosen["aux_loss"], {head.name: head for head in heads})
