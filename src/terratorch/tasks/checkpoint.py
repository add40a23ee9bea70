"""Checkpoints as objects: what they hold, and the task that they are of."""

from __future__ import annotations

import importlib
import inspect
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from terratorch.contracts.input_spec import InputSpec
from terratorch.errors import MissingFileError, UnknownNameError, WeightsError
from terratorch.ops.torch_files import is_of_torch
from terratorch.registry import TASK_REGISTRY
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.checkpoint_format import KEY, description, input_of, size_of

# Arguments that fetch weights from elsewhere: a checkpoint has its own.
_PRETRAINED = ("pretrained", "backbone_pretrained", "model_pretrained")
_NOT_A_CHECKPOINT = (
    "Give a .ckpt file that holds weights and plain values; `terratorch fit` prints where it keeps "
    "those that it writes."
)
_WEIGHT_PATHS = ("ckpt_path", "backbone_ckpt_path", "model_ckpt_path")


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint holds.

    Attributes:
        path: Where it is.
        task: Name of the task, or `module.Class` of a user's own.
        hyper_parameters: The arguments of the task.
        state_dict: The weights of the task.
        input: How the images of the training were read, and with which facts; None if not known.
        class_names: Names of the classes.
        chip_size: Height and width of the chips of the training and validation; None where that is
            not known.
        tiled_inference_parameters: Arguments of `tiled_inference`.
        model_by_name: Whether the arguments build the model; otherwise it has to be given.
        terratorch_version: The version that wrote it.
    """

    path: Path
    task: str
    hyper_parameters: dict[str, Any]
    state_dict: dict[str, Tensor] = field(repr=False)
    input: InputSpec | None = None
    class_names: list[str] | None = None
    chip_size: tuple[int, int] | None = None
    tiled_inference_parameters: dict[str, Any] | None = None
    model_by_name: bool = True
    terratorch_version: str = ""

    def build_task(self, model: nn.Module | None = None) -> TerraTorchTask:
        """Return the task with its weights, ready to predict.

        Args:
            model: The model, if it was given as an object when the task was trained.

        Raises:
            WeightsError: If the model is missing, or is another one.
        """
        kind = self._task_class()
        if model is None and not self.model_by_name:
            raise WeightsError(
                str(self.path),
                "the model was given as an object, so the checkpoint cannot build it",
                "Build it and pass it on: build_task(model=...), or give a configuration with -c.",
            )
        names = inspect.signature(kind).parameters
        arguments = {key: value for key, value in self.hyper_parameters.items() if key in names}
        if isinstance(arguments.get("model_args"), Mapping):
            arguments["model_args"] = without_weights(arguments["model_args"])
        if "model" in names:
            arguments["model"] = model
        try:
            task = kind(**arguments)
        except UnknownNameError as error:
            raise UnknownNameError(
                error.thing,
                error.seen,
                f"{error.cure} If it is a part of your own, give the folder of its code with "
                "--custom_modules_path.".strip(),
            ) from error
        task.load_state_dict(self.state_dict)
        task.input_spec, task.fitted_chips.size = self.input, self.chip_size
        return task.eval()

    def _task_class(self) -> type[TerraTorchTask]:
        if self.task in TASK_REGISTRY:
            return cast("type[TerraTorchTask]", TASK_REGISTRY[self.task])
        module, _, name = self.task.rpartition(".")
        try:
            kind = getattr(importlib.import_module(module), name)
        except (ValueError, ModuleNotFoundError, AttributeError) as error:
            raise WeightsError(
                str(self.path),
                f"its task {self.task!r} cannot be imported",
                "Give the folder of your code with --custom_modules_path.",
            ) from error
        if not (inspect.isclass(kind) and issubclass(kind, TerraTorchTask)):
            raise WeightsError(str(self.path), f"{self.task!r} is not a task")
        return kind


def read_checkpoint(path: str | Path) -> CheckpointInfo:
    """Read a checkpoint, without running anything that it may hold.

    Raises:
        MissingFileError: If there is no such file.
        WeightsError: If it is no checkpoint of a task, or of a newer format.
    """
    path = Path(path)
    checkpoint = _load(path)
    described = description(checkpoint, str(path))
    if not described:
        raise WeightsError(
            str(path),
            f"it does not say which task it is of (no key {KEY!r})",
            "Give the configuration that it was trained with: -c config.yaml --ckpt_path "
            f"{path.name}",
        )
    return CheckpointInfo(
        path=path,
        task=described["task"],
        hyper_parameters=checkpoint["hyper_parameters"],
        state_dict=checkpoint["state_dict"],
        input=input_of(described),
        class_names=described["class_names"],
        chip_size=size_of(described),
        tiled_inference_parameters=described["tiled_inference_parameters"],
        model_by_name=described["model_by_name"],
        terratorch_version=described["terratorch_version"],
    )


def without_weights(model_args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a model, so that building it fetches no weights."""
    arguments: dict[str, Any] = {}
    for name, value in model_args.items():
        if name in _WEIGHT_PATHS:
            continue
        if isinstance(value, Mapping) and name.endswith("_kwargs"):
            value = without_weights(value)
        arguments[name] = False if name in _PRETRAINED else value
    return arguments


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingFileError(str(path), "there is no such file", "Check --ckpt_path.")
    if not is_of_torch(path):
        raise WeightsError(str(path), "it is not a checkpoint", _NOT_A_CHECKPOINT)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, UnicodeDecodeError) as error:
        raise WeightsError(str(path), "it is not a checkpoint", _NOT_A_CHECKPOINT) from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise WeightsError(
            str(path), "it is no checkpoint of a training (no key 'state_dict')", _NOT_A_CHECKPOINT
        )
    return checkpoint
