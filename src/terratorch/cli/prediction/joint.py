"""One prediction from several views of an image and several checkpoints, as the options ask."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule

from terratorch.cli.prediction.data import is_ours
from terratorch.cli.prediction.scene_options import (
    check_turned_tiles,
    chosen_tile_parameters,
    tiles_of,
    tiles_without_options,
)
from terratorch.contracts.input_spec import SINGLE
from terratorch.contracts.outputs import Content
from terratorch.errors import ConfigurationError
from terratorch.prediction.options import ENSEMBLE_OPTIONS, PredictionOptions
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.checkpoint import CheckpointInfo, read_checkpoint
from terratorch.tiles.augmentation import views_of
from terratorch.tiles.ensemble import Ensemble, Measure
from terratorch.tiles.parameters import parse_tiled_inference_parameters

logger = logging.getLogger(__name__)

# What makes joint predictions; a task with its own would leave options unused.
_TASK_METHODS = ("predict_step", "forward_batch", "forward_jointly", "prediction_of")
# What of tiles changes no map.
_OF_NO_MAP = {"batch_size": 1, "verbose": False}


def predict_jointly(
    task: LightningModule, settings: PredictionOptions, first: CheckpointInfo | None
) -> None:
    """Let a task predict as the options ask.

    Args:
        task: The task; its weights may come later.
        settings: The options.
        first: The checkpoint of the task, to compare with further ones; None if there are none.

    Raises:
        ConfigurationError: If options cannot be used, or checkpoints do not go together.
        WeightsError: If a checkpoint is none.
    """
    given = [name for name in ENSEMBLE_OPTIONS if getattr(settings, name)]
    if not given:
        return
    if not isinstance(task, TerraTorchTask) or not all(
        is_ours(task, name) for name in _TASK_METHODS
    ):
        raise ConfigurationError(
            given[0],
            f"{type(task).__name__} makes its predictions in its own way",
            "Leave it out: only tasks whose predict_step is ours can use it.",
        )
    of_classes = Content.PROBABILITIES in task.available_outputs
    views = views_of(settings.augment or ())
    measures = _measures(settings, of_classes, type(task).__name__)
    others = [] if first is None else list(_others(task, settings, first))
    task.ensemble = Ensemble(views, others, of_classes, measures)
    tiles = None if task.output_type.per_image else tiles_of(settings, task)
    if tiles is not None:  # those of its chips may come with the weights
        check_turned_tiles(tiles, task)


def _measures(settings: PredictionOptions, of_classes: bool, task: str) -> list[Measure]:
    measures = [Measure(name) for name in dict.fromkeys(settings.uncertainty or ())]
    if Measure.ENTROPY in measures and not of_classes:
        raise ConfigurationError(
            "uncertainty",
            f"the entropy is that of probabilities, and {task} gives values",
            "Use variance, with --augment or several checkpoints.",
        )
    return measures


def _others(
    task: TerraTorchTask, settings: PredictionOptions, first: CheckpointInfo
) -> Iterator[TerraTorchTask]:
    """Yield the tasks of further checkpoints, which go together with the first."""
    seen = {first.path.resolve()}
    for path in settings.further_ckpt_paths or ():
        if Path(path).resolve() in seen:
            raise ConfigurationError(f"ckpt_path '{path}'", "is given twice", "Drop one of them.")
        seen.add(Path(path).resolve())
        checkpoint = read_checkpoint(path)
        _check_same(first, _trained(first), checkpoint, _trained(checkpoint))
        other = checkpoint.build_task()
        classes = "the number of classes"
        _check_same(first, {classes: task.num_classes}, checkpoint, {classes: other.num_classes})
        if not task.output_type.per_image:
            _tell_other_tiles(task, first, other, checkpoint, settings)
        yield other


def _tell_other_tiles(
    task: TerraTorchTask,
    first: CheckpointInfo,
    other: TerraTorchTask,
    checkpoint: CheckpointInfo,
    settings: PredictionOptions,
) -> None:
    """Warn where a further checkpoint is for other tiles than those that scenes are cut into."""
    chosen = chosen_tile_parameters(settings)
    used, wanted = (asdict(tiles_without_options(one)) | _OF_NO_MAP for one in (task, other))
    names = [name for name in used if used[name] != wanted[name] and name not in chosen]
    if not names:
        return
    own = parse_tiled_inference_parameters(first.tiled_inference_parameters)
    is_first = own == task.settings.tiled_inference_parameters
    logger.warning(
        "Scenes are cut into the tiles of %s (%s), and not of '%s' (%s). Set --crop and --stride "
        "for others.",
        f"'{first.path}'" if is_first else "the configuration",
        _listed(used, names),
        checkpoint.path,
        _listed(wanted, names),
    )


def _listed(values: Mapping[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {values[name]}" for name in names)


def _trained(checkpoint: CheckpointInfo) -> dict[str, Any]:
    """Return what of a training the images, and the meaning of scores, depend on."""
    facts: dict[str, Any] = {"the task": checkpoint.task}
    if checkpoint.class_names is not None:
        facts["class_names"] = checkpoint.class_names
    facts["what it read"] = "stored" if checkpoint.input else "not stored"
    if checkpoint.input is not None:
        inputs = checkpoint.input
        facts["modalities"] = ["one image" if name == SINGLE else name for name in inputs.images]
        for name, spec in inputs.images.items():
            of = "" if name == SINGLE else f" of {name}"
            facts |= {
                f"bands{of}": spec.selection.names,
                f"means{of}": spec.means,
                f"stds{of}": spec.stds,
                f"constant_scale{of}": spec.constant_scale,
                f"no_data_replace{of}": spec.no_data_replace,
                f"expand_temporal_dimension{of}": spec.has_time,
            }
    return facts


def _check_same(
    first: CheckpointInfo,
    expected: dict[str, Any],
    other: CheckpointInfo,
    found: dict[str, Any],
) -> None:
    """Raise unless what both say is the same."""
    names = [name for name in expected if name in found and expected[name] != found[name]]
    if names:
        differences = "; ".join(
            f"{name}: {_shown(found[name])} instead of {_shown(expected[name])}" for name in names
        )
        raise ConfigurationError(
            f"ckpt_path '{other.path}'",
            f"it does not go together with '{first.path}': {differences}",
            "Checkpoints that predict together have the task, the classes, the bands and their "
            "means in common.",
        )


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
