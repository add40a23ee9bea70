"""The cards of a report: facts about the model, the data and the software."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from terratorch import __version__
from terratorch.contracts.input_spec import SINGLE, ImageSpec, InputSpec
from terratorch.contracts.model_description import ModelDescription, WeightsOrigin
from terratorch.evaluation.evaluation import Card, SampleSet

_PACKAGES = ("torch", "lightning", "timm", "segmentation-models-pytorch", "numpy", "rasterio")
_MOST_VALUES = 16  # that are written in a row

Row = tuple[str, str]


@dataclass(frozen=True)
class ModelFacts:
    """Facts about the tested model.

    Attributes:
        task: The class of the task.
        network: The class of the network.
        described: The description of a model that a factory built.
        factory: The factory, None for a model given as an object.
        parameters: Number of parameters.
        trained: Number of parameters that are trained.
        loss: The training criterion.
        ignore_index: The target that is not counted.
        is_tiled: Whether the test ran tile by tile.
        checkpoint: The file of the weights, None for weights in memory.
    """

    task: str
    network: str
    described: ModelDescription | None
    factory: str | None
    parameters: int
    trained: int
    loss: object
    ignore_index: int | None
    is_tiled: bool
    checkpoint: str | None


def model_card(facts: ModelFacts) -> Card:
    """Return the card of the model."""
    return Card("Model", list(_model_rows(facts)))


def data_card(
    data_module: str | None, spec: InputSpec | None, sets: Sequence[SampleSet], num_classes: int
) -> Card:
    """Return the card of the data.

    Args:
        data_module: The class of the data module.
        spec: How images are read and normalised.
        sets: The test sets.
        num_classes: Number of classes, 0 for values.
    """
    rows = [] if data_module is None else [("Data module", data_module)]
    for sample_set in sets:
        count = f"{len(sample_set.chips):,} chips"
        folder = _common_folder([chip.filename for chip in sample_set.chips])
        label = f"Test set {sample_set.name}".strip()
        rows.append((label, f"{count} in {folder}" if folder else count))
    if num_classes:
        rows.append(("Classes", str(num_classes)))
    return Card("Data", rows + ([] if spec is None else list(_input_rows(spec))))


def software_card(device: str, processes: int, precision: str, command: str) -> Card:
    """Return the card of the software and hardware."""
    rows = [("terratorch", __version__), ("Python", platform.python_version())]
    for package in _PACKAGES:
        try:
            rows.append((package, version(package)))
        except PackageNotFoundError:  # a user's own module by this name
            continue
    rows += [
        ("System", f"{platform.system()} {platform.machine()}"),
        ("Device", device if processes == 1 else f"{device}, {processes} processes"),
        ("Precision", precision),
        ("Command", command),
    ]
    return Card("Software", rows)


def _model_rows(facts: ModelFacts) -> Iterator[Row]:
    described = facts.described or ModelDescription(backbone="")
    origin = described.weights or WeightsOrigin("")
    rows = {
        "Task": facts.task,
        "Factory": facts.factory,
        "Backbone": described.backbone,
        "Necks": described.necks,
        "Decoder": described.decoder,
        "Auxiliary heads": described.aux_heads,
        "Network": None if facts.factory else facts.network,
        "Parameters": f"{facts.parameters:,} ({facts.trained:,} trained)",
        "Loss": facts.loss,
        "Ignored target": None if facts.ignore_index is None else str(facts.ignore_index),
        "Tested": "tile by tile" if facts.is_tiled else None,
        "Checkpoint": facts.checkpoint or "the weights in memory",
        "Pretrained with": origin.source,
        "Licence of these": origin.licence,
        "Described in": origin.paper,
    }
    return ((label, _text(value)) for label, value in rows.items() if value)


def _common_folder(files: Sequence[str]) -> str:
    """Return the deepest folder that contains all files, empty without one."""
    parents = {os.path.dirname(file) for file in files}
    if "" in parents:
        return ""
    try:
        return os.path.commonpath(parents)
    except ValueError:  # different drives, or relative and absolute paths
        return ""


def _input_rows(spec: InputSpec) -> Iterator[Row]:
    """Yield bands, scale and statistics of each modality."""
    for modality, image in spec.images.items():
        for label, text in _image_rows(image):
            yield label if modality == SINGLE else f"{modality}: {label.lower()}", text
    if spec.facts:
        yield "Further inputs", _text(spec.facts)


def _image_rows(image: ImageSpec) -> Iterator[Row]:
    bands = image.output_bands or image.dataset_bands
    if bands:
        yield "Bands", _text(bands)
    for label, values in (("Means", image.means), ("Standard deviations", image.stds)):
        if values:
            yield label, _text([f"{value:g}" for value in values])
    if image.constant_scale != 1:
        yield "Scaled by", f"{image.constant_scale:g}"
    if image.no_data_replace is not None:
        yield "Nodata becomes", f"{image.no_data_replace:g}"


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {entry}" for key, entry in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        shown = ", ".join(map(str, value[:_MOST_VALUES]))
        return f"{shown}, ... ({len(value)})" if len(value) > _MOST_VALUES else shown
    return str(value) if isinstance(value, (str, int, float)) else type(value).__name__
