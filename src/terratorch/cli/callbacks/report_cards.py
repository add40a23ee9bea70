"""The cards of a report: the model, the data and the versions, as rows of label and text."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer

from terratorch import __version__
from terratorch.contracts.input_spec import SINGLE
from terratorch.contracts.model_description import WeightsOrigin, description_of
from terratorch.evaluation.evaluation import Card, SampleSet
from terratorch.tasks.base_task import TerraTorchTask

_PACKAGES = ("torch", "lightning", "timm", "segmentation-models-pytorch", "numpy", "rasterio")
# What is in the names of values that are not to be read: a report is made to be handed on.
SECRET = "token|password|secret|api_?key"
_SECRET_OPTION = re.compile(rf"(?i)(--[\w.-]*(?:{SECRET})[\w-]*[ =])\S+")
# More values in a row nobody reads.
_MOST = 16

Row = tuple[str, str]


def cards_of(trainer: Trainer, task: TerraTorchTask, sets: Sequence[SampleSet]) -> list[Card]:
    """Return the cards of a test: the model, the data, the software.

    Args:
        trainer: That tested.
        task: What was tested.
        sets: The test sets.
    """
    return [
        Card("Model", list(_model_rows(trainer, task))),
        Card("Data", list(_data_rows(trainer, task, sets))),
        Card("Software", list(_software_rows(trainer))),
    ]


def _model_rows(trainer: Trainer, task: TerraTorchTask) -> Iterator[Row]:
    settings = task.settings
    yield "Task", type(task).__name__
    if settings.model_factory:
        yield "Factory", settings.model_factory
    described = description_of(task.model)
    if described is not None:
        yield "Backbone", described.backbone
        if described.decoder is not None:
            yield "Decoder", described.decoder
    if settings.model_factory is None:
        yield "Network", type(task.model).__name__
    parameters = list(task.parameters())
    trained = sum(one.numel() for one in parameters if one.requires_grad)
    yield "Parameters", f"{sum(one.numel() for one in parameters):,} ({trained:,} trained)"
    yield "Loss", _text(settings.loss)
    if settings.ignore_index is not None:
        yield "Ignored target", str(settings.ignore_index)
    if settings.tiled_inference_on_testing:
        yield "Tested", "tile by tile"
    yield from _weight_rows(trainer, None if described is None else described.weights)


def _weight_rows(trainer: Trainer, origin: WeightsOrigin | None) -> Iterator[Row]:
    """Give the source of the weights, with their licence and paper."""
    if trainer.ckpt_path is None:
        yield "Weights", "those in memory: no checkpoint was given"
    else:
        yield "Checkpoint", str(trainer.ckpt_path)
    if origin is None:
        return
    yield "Pretrained with", origin.source
    if origin.licence is not None:
        yield "Licence of these", origin.licence
    if origin.paper is not None:
        yield "Described in", origin.paper


def _data_rows(trainer: Trainer, task: TerraTorchTask, sets: Sequence[SampleSet]) -> Iterator[Row]:
    datamodule = getattr(trainer, "datamodule", None)
    if datamodule is not None:
        yield "Data module", type(datamodule).__name__
    for sample_set in sets:
        count = f"{len(sample_set.chips):,} chips"
        folder = _common_folder([chip.filename for chip in sample_set.chips])
        where = f"{count} in {folder}" if folder else count
        yield f"Test set {sample_set.name}".strip(), where
    if task.num_classes is not None:
        yield "Classes", str(task.num_classes)
    yield from _input_rows(getattr(datamodule, "input_spec", None))


def _common_folder(files: Sequence[str]) -> str:
    """Return the folder that all files are in or below; empty where there is none."""
    parents = {os.path.dirname(file) for file in files}
    if "" in parents:
        return ""
    try:
        return os.path.commonpath(parents)
    except ValueError:  # on different drives, or some of them relative
        return ""


def _input_rows(spec: Any) -> Iterator[Row]:
    """Say what the model sees: bands, scale and statistics."""
    if spec is None:
        return
    for modality, one in spec.images.items():
        for label, text in _image_rows(one.to_dict()):
            yield label if modality == SINGLE else f"{modality}: {label.lower()}", text


def _image_rows(values: Mapping[str, Any]) -> Iterator[Row]:
    bands = values["output_bands"] or values["dataset_bands"]
    if bands:
        yield "Bands", _text(bands)
    for name, label in (("means", "Means"), ("stds", "Standard deviations")):
        if values[name]:
            yield label, _text([f"{value:g}" for value in values[name]])
    if values["constant_scale"] != 1:
        yield "Scaled by", f"{values['constant_scale']:g}"
    if values["no_data_replace"] is not None:
        yield "Nodata becomes", f"{values['no_data_replace']:g}"


def _software_rows(trainer: Trainer) -> Iterator[Row]:
    yield "terratorch", __version__
    yield "Python", platform.python_version()
    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:  # a stand-in of the user's own under the name
            continue
    yield "System", f"{platform.system()} {platform.machine()}"
    yield "Device", _device(trainer)
    yield "Precision", str(trainer.precision)
    yield "Command", command_of(sys.argv)


def command_of(arguments: Sequence[str]) -> str:
    """Return a command as it was given, but for what is not to be read: passwords and the like."""
    program, *others = arguments
    return _SECRET_OPTION.sub(r"\1(not shown)", " ".join([Path(program).name, *others]))


def _device(trainer: Trainer) -> str:
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    count = trainer.world_size
    return name if count == 1 else f"{name}, {count} processes"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {entry}" for key, entry in value.items())
    if isinstance(value, Sequence):
        shown = ", ".join(map(str, value[:_MOST]))
        return f"{shown}, ... ({len(value)})" if len(value) > _MOST else shown
    return str(value) if isinstance(value, (int, float, Path)) else type(value).__name__
