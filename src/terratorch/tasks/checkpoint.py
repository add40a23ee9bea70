"""Checkpoints as objects: what they hold, and the model, objective or task that they build.

Reading one, and building its model and objective, does not import Lightning.
"""

from __future__ import annotations

import importlib
import inspect
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor, nn

from terratorch.contracts.input_spec import InputSpec
from terratorch.contracts.model_description import description_of
from terratorch.errors import MissingFileError, UnknownNameError, WeightsError
from terratorch.models.config import without_weights
from terratorch.ops.torch_files import is_of_torch
from terratorch.registry import TASK_REGISTRY
from terratorch.tasks.checkpoint_format import KEY, check_same_weights, description, inputs_of
from terratorch.tasks.model_building import build_model, check_given_model
from terratorch.tasks.objectives import OBJECTIVES, objective_of
from terratorch.tasks.objectives.objective import Objective
from terratorch.tasks.plain_values import PlainValues
from terratorch.tasks.settings import TaskSettings
from terratorch.tiles.tiling import ChipSize

if TYPE_CHECKING:
    from terratorch.tasks.base_task import TerraTorchTask

# Arguments that fetch weights from elsewhere: a checkpoint has its own.
_NOT_A_CHECKPOINT = (
    "Give a .ckpt file that holds weights and plain values; `terratorch fit` prints where it keeps "
    "those that it writes."
)
_MODEL = "model."  # what the names of a model's weights start with in those of its task


class TrainedModel(NamedTuple):
    """What predicts: the parts of a task that need no Trainer.

    Attributes:
        model: The model with its weights, in evaluation mode.
        objective: What it learned, with its settings.
        chip_size: The size of the chips that it was trained on, or else built for.
    """

    model: nn.Module
    objective: Objective
    chip_size: ChipSize | None


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint holds.

    Attributes:
        path: Its path.
        task: Name of the task, or `module.Class` of a user's own.
        hyper_parameters: The arguments of the task.
        state_dict: The weights of the task.
        input: How the images of the training were read, and with which facts; None if not known.
        class_names: Names of the classes.
        chip_size: Height and width of the chips of training and validation; None if not known.
        tiled_inference_parameters: Arguments of `tiled_inference`.
        model_by_name: Whether the arguments build the model; otherwise it has to be passed.
        terratorch_version: The version that wrote it.
    """

    path: Path
    task: str
    hyper_parameters: PlainValues
    state_dict: dict[str, Tensor] = field(repr=False)
    input: InputSpec | None = None
    class_names: list[str] | None = None
    chip_size: tuple[int, int] | None = None
    tiled_inference_parameters: PlainValues | None = None
    model_by_name: bool = True
    terratorch_version: str = ""

    @property
    def custom_hooks(self) -> frozenset[str]:
        """The hooks of prediction that a user's own task overrides; see `predicting.HOOKS`.

        If there are any, `build_task` and its `predict_step` predict, instead of `build_trained`.

        Raises:
            WeightsError: If the task cannot be imported.
        """
        return frozenset() if self.task in OBJECTIVES else self._task_class().custom_hooks

    def build_trained(self, model: nn.Module | None = None) -> TrainedModel:
        """Return the model with its weights and the objective; built-in tasks need no Lightning.

        Args:
            model: The model, if it was passed as an object when the task was trained.

        Raises:
            WeightsError: If the model is missing, or is another one.
        """
        if self.task not in OBJECTIVES:
            task = self.build_task(model)
            return TrainedModel(task.model, task.objective, task.chip_size)
        self._check_model(model)
        settings = TaskSettings.from_arguments(self._arguments())
        kind = objective_of(self.task)
        objective = kind(settings)
        check_given_model(model, settings.model)
        if model is None:
            with self._hint_at_user_code():
                model = build_model(kind.task, settings.model)
        weights = {
            name.removeprefix(_MODEL): value
            for name, value in self.state_dict.items()
            if name.startswith(_MODEL)
        }
        check_same_weights(model.state_dict(), weights)
        model.load_state_dict(weights)
        chip_size = ChipSize.known(self.chip_size, description_of(model))
        return TrainedModel(model.eval(), objective, chip_size)

    def build_task(self, model: nn.Module | None = None) -> TerraTorchTask:
        """Return the task with its weights, ready to predict.

        Args:
            model: The model, if it was passed as an object when the task was trained.

        Raises:
            WeightsError: If the model is missing, or is another one.
        """
        kind = self._task_class()
        self._check_model(model)
        parameters = inspect.signature(kind).parameters
        takes_any = any(item.kind is item.VAR_KEYWORD for item in parameters.values())
        arguments = {
            name: value
            for name, value in self._arguments().items()
            if takes_any or name in parameters
        }
        if model is not None:
            arguments["model"] = model
        with self._hint_at_user_code():
            task = kind(**arguments)
        task.load_state_dict(self.state_dict)
        task.restore_inputs(self.input, self.chip_size)
        return task.eval()

    def _arguments(self) -> PlainValues:
        """Return the arguments of the task, without those that fetch weights."""
        arguments = dict(self.hyper_parameters)
        if isinstance(arguments.get("model_args"), Mapping):
            arguments["model_args"] = without_weights(arguments["model_args"])
        return arguments

    def _check_model(self, model: nn.Module | None) -> None:
        if model is None and not self.model_by_name:
            raise WeightsError(
                str(self.path),
                "the model was passed as an object, so the checkpoint cannot build it",
                "Build it and pass it: build_task(model=...), or give a configuration with -c.",
            )

    @contextmanager
    def _hint_at_user_code(self) -> Iterator[None]:
        """Add to an error about an unknown name that it may be a user's own part."""
        try:
            yield
        except UnknownNameError as error:
            raise UnknownNameError(
                error.subject,
                error.problem,
                f"{error.advice} If it is a part of your own, give the folder of its code with "
                "--custom_modules_path.".strip(),
            ) from error

    def _task_class(self) -> type[TerraTorchTask]:
        from terratorch.tasks.base_task import TerraTorchTask

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
            raise WeightsError(
                str(self.path), f"{self.task!r} is not a task", "Derive it from TerraTorchTask."
            )
        return kind


def read_checkpoint(path: str | Path) -> CheckpointInfo:
    """Read a checkpoint, without running anything that it may hold.

    Raises:
        MissingFileError: If there is no such file.
        WeightsError: If it is not a checkpoint of a task, or has a newer format.
    """
    path = Path(path)
    checkpoint = _load(path)
    described = description(checkpoint, str(path))
    if not described:
        raise WeightsError(
            str(path),
            f"it does not name its task (no key {KEY!r})",
            "Give the configuration that it was trained with: -c config.yaml --ckpt_path "
            f"{path.name}",
        )
    input_spec, chip_size = inputs_of(described)
    return CheckpointInfo(
        path=path,
        task=described["task"],
        hyper_parameters=checkpoint["hyper_parameters"],
        state_dict=checkpoint["state_dict"],
        input=input_spec,
        class_names=described["class_names"],
        chip_size=chip_size,
        tiled_inference_parameters=described["tiled_inference_parameters"],
        model_by_name=described["model_by_name"],
        terratorch_version=described["terratorch_version"],
    )


def _load(path: Path) -> PlainValues:
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
            str(path),
            "it is not a checkpoint of a training (no key 'state_dict')",
            _NOT_A_CHECKPOINT,
        )
    return checkpoint
