"""What a checkpoint holds beyond weights and arguments, so that it is enough to predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from terratorch import __version__
from terratorch.contracts.input_spec import InputSpec
from terratorch.errors import WeightsError
from terratorch.ops.state_dict import compare_states
from terratorch.registry import TASK_REGISTRY

if TYPE_CHECKING:
    from terratorch.tasks.base_task import TerraTorchTask

FORMAT_VERSION = 2
KEY = "terratorch"


def complete(checkpoint: dict[str, Any], task: TerraTorchTask) -> None:
    """Add the description of a task to a checkpoint of it, in plain containers."""
    settings = task.settings
    class_names, chip_size = settings.class_names, task.fitted_chips.size
    checkpoint["hparams_name"] = "kwargs"
    checkpoint[KEY] = {
        "format_version": FORMAT_VERSION,
        "terratorch_version": __version__,
        "task": task_name(type(task)),
        "input": _input_of(task),
        "class_names": None if class_names is None else list(class_names),
        "tiled_inference_parameters": task.hparams.get("tiled_inference_parameters"),
        "chip_size": None if chip_size is None else list(chip_size),
        "model_by_name": task.model_by_name,
    }


def size_of(described: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return height and width of the chips of the training and validation, where it is told."""
    size = described.get("chip_size")
    return None if size is None else (size[0], size[1])


def _input_of(task: TerraTorchTask) -> dict[str, Any] | None:
    """Return the input of the data module, else of the checkpoint that the task is from."""
    spec = getattr(getattr(task.trainer, "datamodule", None), "input_spec", None)
    if isinstance(spec, InputSpec):
        return spec.with_facts(task.fitted_facts).to_dict()
    return None if task.input_spec is None else task.input_spec.to_dict()


def input_of(described: Mapping[str, Any]) -> InputSpec | None:
    """Return how the images of the training were read, if the checkpoint says so."""
    values = described.get("input")
    return None if values is None else InputSpec.from_dict(values)


def task_name(kind: type) -> str:
    """Return the name of a task: as it is registered, or the path of a user's own class."""
    name = kind.__name__
    if name in TASK_REGISTRY and TASK_REGISTRY[name] is kind:
        return name
    return f"{kind.__module__}.{kind.__qualname__}"


def description(checkpoint: Mapping[str, Any], path: str = "checkpoint") -> dict[str, Any]:
    """Return the description in a checkpoint, empty where it has none.

    Raises:
        WeightsError: If its format is newer than this version reads.
    """
    described: dict[str, Any] = checkpoint.get(KEY) or {}
    version = described.get("format_version", 1)
    if version > FORMAT_VERSION:
        raise WeightsError(
            path,
            f"format {version} of terratorch {described.get('terratorch_version')}, "
            f"but terratorch {__version__} reads up to format {FORMAT_VERSION}",
            "Upgrade: pip install --upgrade terratorch",
        )
    return described


def check_same_weights(model: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """Raise a `WeightsError` unless weights have the names and shapes of a model's."""
    difference = compare_states(weights, model)
    if difference:
        raise WeightsError(
            "checkpoint",
            f"its weights are not those of this model; {difference}",
            "Use the configuration that it was trained with (model.init_args).",
        )
