"""Combine several views of an image and several checkpoints into one prediction, as options ask."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from terratorch.contracts.input_spec import SINGLE
from terratorch.contracts.outputs import Content
from terratorch.errors import ConfigurationError
from terratorch.prediction.options import ENSEMBLE_OPTIONS, PredictionOptions
from terratorch.prediction.predictor import Predictor
from terratorch.prediction.scene_choices import (
    check_turned_tiles,
    choose_tiles,
    tile_parameters_set,
)
from terratorch.tasks.checkpoint import CheckpointInfo, read_checkpoint
from terratorch.tasks.objectives.objective import Objective
from terratorch.tasks.objectives.supervised import SupervisedObjective
from terratorch.tiles.augmentation import views_of
from terratorch.tiles.ensemble import Ensemble, Measure
from terratorch.tiles.parameters import TiledInferenceParameters, parse_tiled_inference_parameters
from terratorch.tiles.tiling import ChipSize, default_tiles

logger = logging.getLogger(__name__)

# Tile parameters that do not affect a map.
_WITHOUT_EFFECT = {"batch_size": 1, "verbose": False}


@dataclass(frozen=True)
class Member:
    """What an ensemble must know of its first model.

    Attributes:
        name: The name of its task, for messages.
        objective: Turns scores into outputs.
        tiles: How its task cuts scenes.
        chip: The chips that the model is for.
    """

    name: str
    objective: Objective
    tiles: TiledInferenceParameters | None
    chip: ChipSize | None

    @property
    def default_tiles(self) -> TiledInferenceParameters:
        """The tiles of scenes that do not run whole, without options."""
        return self.tiles or default_tiles(self.chip)


def build_ensemble(
    options: PredictionOptions, member: Member, first: CheckpointInfo | None
) -> Ensemble | None:
    """Return the ensemble that the options ask for; None if they ask for none.

    Args:
        options: The options.
        member: The first model.
        first: Its checkpoint, to compare with further ones; None without further ones.

    Raises:
        ConfigurationError: If options cannot be used, or checkpoints differ in what they predict.
        WeightsError: If a file is not a checkpoint.
    """
    if not (options.augment or options.uncertainty or options.further_ckpt_paths):
        return None
    objective = member.objective
    if not isinstance(objective, SupervisedObjective):
        used = next(name for name in ENSEMBLE_OPTIONS if getattr(options, name))
        raise ConfigurationError(
            used,
            f"{member.name} has several heads or computes its own loss, which cannot be combined",
            "Predict with one view of one checkpoint.",
        )
    of_classes = Content.PROBABILITIES in objective.available_outputs
    measures = [Measure(name) for name in dict.fromkeys(options.uncertainty or ())]
    if Measure.ENTROPY in measures and not of_classes:
        raise ConfigurationError(
            "uncertainty",
            f"entropy needs probabilities, and {member.name} predicts values",
            "Use variance, with --augment or several checkpoints.",
        )
    others = [] if first is None else [other.model for other in _others(options, member, first)]
    ensemble = Ensemble(views_of(options.augment or ()), others, of_classes, measures)
    if not objective.output_type.per_image:
        tiles = choose_tiles(options, member.tiles, member.chip)
        if tiles is not None:  # else the chips may come with the weights
            check_turned_tiles(tiles, ensemble)
    return ensemble


def _others(
    options: PredictionOptions, member: Member, first: CheckpointInfo
) -> Iterator[Predictor]:
    """Yield the models of further checkpoints, which agree with the first."""
    seen = {first.path.resolve()}
    for path in options.further_ckpt_paths or ():
        if Path(path).resolve() in seen:
            raise ConfigurationError(f"ckpt_path '{path}'", "is listed twice", "Drop one of them.")
        seen.add(Path(path).resolve())
        checkpoint = read_checkpoint(path)
        _check_same(first, _trained(first), checkpoint, _trained(checkpoint))
        other = Predictor.from_checkpoint(checkpoint, device="cpu")
        count = "the number of classes"
        theirs = {count: other.objective.num_classes}
        _check_same(first, {count: member.objective.num_classes}, checkpoint, theirs)
        if not other.predicts_images_whole:
            _warn_of_other_tiles(options, member, first, other, checkpoint)
        yield other


def _warn_of_other_tiles(
    options: PredictionOptions,
    member: Member,
    first: CheckpointInfo,
    other: Predictor,
    checkpoint: CheckpointInfo,
) -> None:
    """Warn if a further checkpoint is for other tiles than the first."""
    is_set = tile_parameters_set(options)
    used = asdict(member.default_tiles) | _WITHOUT_EFFECT
    theirs = asdict(other.tiles or default_tiles(other.chip)) | _WITHOUT_EFFECT
    names = [name for name in used if used[name] != theirs[name] and name not in is_set]
    if not names:
        return
    in_checkpoint = parse_tiled_inference_parameters(first.tiled_inference_parameters)
    source = f"'{first.path}'" if in_checkpoint == member.tiles else "the configuration"
    logger.warning(
        "Scenes are cut into the tiles of %s (%s), and not of '%s' (%s). Set --crop and --stride "
        "for others.",
        source,
        _listed(used, names),
        checkpoint.path,
        _listed(theirs, names),
    )


def _listed(values: Mapping[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {values[name]}" for name in names)


def _trained(checkpoint: CheckpointInfo) -> dict[str, Any]:
    """Return what the images and the meaning of scores depend on, by name."""
    facts: dict[str, Any] = {"the task": checkpoint.task}
    if checkpoint.class_names is not None:
        facts["class_names"] = checkpoint.class_names
    facts["the input"] = "stored" if checkpoint.input else "not stored"
    if checkpoint.input is not None:
        images = checkpoint.input.images
        facts["modalities"] = ["one image" if name == SINGLE else name for name in images]
        for name, spec in images.items():
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
    ours: dict[str, Any],
    other: CheckpointInfo,
    theirs: dict[str, Any],
) -> None:
    names = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    if names:
        differences = "; ".join(
            f"{name}: {_shown(theirs[name])} instead of {_shown(ours[name])}" for name in names
        )
        raise ConfigurationError(
            f"ckpt_path '{other.path}'",
            f"it cannot predict together with '{first.path}': {differences}",
            "Checkpoints that predict together need the same task, classes, bands and means.",
        )


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
