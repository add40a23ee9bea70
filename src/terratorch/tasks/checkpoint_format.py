"""What a checkpoint holds beyond weights and arguments, so that it is enough to predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from torch import Tensor

from terratorch import __version__
from terratorch.contracts.input_spec import InputSpec
from terratorch.errors import WeightsError
from terratorch.ops.state_dict import compare_states
from terratorch.registry import TASK_REGISTRY
from terratorch.tasks.plain_values import PlainValues
from terratorch.tasks.settings import TaskSettings

FORMAT_VERSION = 2
KEY = "terratorch"


def complete(
    checkpoint: PlainValues,
    *,
    task: type,
    settings: TaskSettings,
    input_spec: InputSpec | None,
    chip_size: tuple[int, int] | None,
    model_by_name: bool,
) -> None:
    """Add the description of a task to a checkpoint of it, in plain containers."""
    class_names, tiles = settings.classes.names, settings.tiles.parameters
    checkpoint["hparams_name"] = "kwargs"
    checkpoint[KEY] = {
        "format_version": FORMAT_VERSION,
        "terratorch_version": __version__,
        "task": task_name(task),
        "input": None if input_spec is None else input_spec.to_dict(),
        "class_names": None if class_names is None else list(class_names),
        "tiled_inference_parameters": None if tiles is None else asdict(tiles),
        "chip_size": None if chip_size is None else list(chip_size),
        "model_by_name": model_by_name,
    }


def inputs_of(described: PlainValues) -> tuple[InputSpec | None, tuple[int, int] | None]:
    """Return how images were read, and height and width of the chips; None if not stored."""
    values, size = described.get("input"), described.get("chip_size")
    return (
        None if values is None else InputSpec.from_dict(values),
        None if size is None else (size[0], size[1]),
    )


def task_name(kind: type) -> str:
    """Return the name of a task: as it is registered, or the path of a user's own class."""
    name = kind.__name__
    if name in TASK_REGISTRY and TASK_REGISTRY[name] is kind:
        return name
    return f"{kind.__module__}.{kind.__qualname__}"


def description(checkpoint: PlainValues, path: str = "checkpoint") -> PlainValues:
    """Return the description in a checkpoint, empty if it has none.

    Raises:
        WeightsError: If its format is newer than this version reads.
    """
    described: PlainValues = checkpoint.get(KEY) or {}
    version = described.get("format_version", 1)
    if version > FORMAT_VERSION:
        raise WeightsError(
            path,
            f"format {version} of terratorch {described.get('terratorch_version')}, "
            f"but terratorch {__version__} reads up to format {FORMAT_VERSION}",
            "Upgrade: pip install --upgrade terratorch",
        )
    return described


def check_same_weights(model: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    """Raise a `WeightsError` unless weights have the names and shapes of a model's."""
    difference = compare_states(weights, model)
    if difference:
        raise WeightsError(
            "checkpoint",
            f"its weights are not those of this model; {difference}",
            "Use the configuration that it was trained with (model.init_args).",
        )
