"""The options of `terratorch predict` on what of a scene is predicted, and in which tiles."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lightning.pytorch import LightningDataModule

from terratorch.datamodules.base import GenericDataModule
from terratorch.datamodules.prediction import PredictionDataModule
from terratorch.datasets.facts import GivenFacts, read_given_facts
from terratorch.errors import ConfigurationError
from terratorch.prediction.options import (
    ENSEMBLE_OPTIONS,
    FACT_OPTIONS,
    TILE_OPTIONS,
    TILE_SIZES,
    PredictionOptions,
)
from terratorch.prediction.scenes.area import Limits
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tiles.parameters import (
    BOTH_SIDES,
    TiledInferenceParameters,
    with_options,
)
from terratorch.tiles.tiling import default_tiles

logger = logging.getLogger(__name__)

_LIMITS = ("area", "area_crs", "valid_mask")
# What does not depend on who writes the predictions.
_OF_ANY_WRITER = ("scene_folders", *ENSEMBLE_OPTIONS, *FACT_OPTIONS)


@dataclass(frozen=True)
class SceneChoices:
    """What of scenes is predicted, and in which tiles; the names are those of `ScenePredictor`.

    Attributes:
        tiles: How scenes are cut; None where that is chosen by their size.
        batch_size: Scenes in a forward pass that run whole.
        tile_batch: Tiles in a forward pass where nobody said how scenes are cut.
        limits: What is wanted of the scenes; None for all.
        facts: Dates and location that replace those of the files.
    """

    tiles: TiledInferenceParameters | None
    batch_size: int | Literal["auto"]
    tile_batch: int | Literal["auto"] | None
    limits: Limits | None
    facts: GivenFacts = field(default_factory=GivenFacts)

    @classmethod
    def of(cls, settings: PredictionOptions, task: TerraTorchTask, batch_size: int) -> SceneChoices:
        """Return what the options, the task and the data module come to.

        Args:
            settings: The options, which come first.
            task: The task.
            batch_size: What the data module says.

        Raises:
            TerraTorchError: If an option cannot be used.
        """
        tiles = tiles_of(settings, task)
        if any(getattr(settings, name) is not None for name in TILE_SIZES):
            assert tiles is not None, "a size is given"
            logger.info("Tiles as asked for: %s", _sizes(tiles))
        check_turned_tiles(tiles or default_tiles(task.chip_size), task)
        given = settings.batch_size
        if given is not None:
            given = with_options(default_tiles(None), {"batch_size": given}).batch_size
        facts = read_given_facts(settings.date, settings.location)
        return cls(tiles, given or batch_size, given, limits_of(settings), facts)

    @property
    def name(self) -> str:
        """What tells maps made with these from others."""
        # How many tiles run at once changes no map; who ran out of memory goes on with fewer.
        tiles = None if self.tiles is None else replace(self.tiles, batch_size=1, verbose=False)
        return f"{tiles} {'' if self.limits is None else self.limits.name} {self.facts}"


def limits_of(settings: PredictionOptions) -> Limits | None:
    """Return what is wanted of scenes; None for all.

    Raises:
        TerraTorchError: If an option cannot be used.
    """
    return Limits.from_options(settings.area, settings.area_crs, settings.valid_mask)


def tiles_of(settings: PredictionOptions, task: TerraTorchTask) -> TiledInferenceParameters | None:
    """Return how scenes are cut; None where that is chosen by their size.

    Args:
        settings: The options, which come first.
        task: The task, which may say it, or know the chips that the model is for.

    Raises:
        ConfigurationError: If an option cannot be used.
    """
    options = {
        name: value for name in TILE_OPTIONS if (value := getattr(settings, name)) is not None
    }
    if not options and task.settings.tiled_inference_parameters is None:
        return None
    if settings.batch_size is not None:
        options["batch_size"] = settings.batch_size
    return with_options(tiles_without_options(task), options)


def tiles_without_options(task: TerraTorchTask) -> TiledInferenceParameters:
    """Return how scenes that do not run whole are cut for a task where no option says it."""
    return task.settings.tiled_inference_parameters or default_tiles(task.chip_size)


def chosen_tile_parameters(settings: PredictionOptions) -> set[str]:
    """Return the names of the parameters of tiles that the options come to."""
    given = [name for name in TILE_OPTIONS if getattr(settings, name) is not None]
    chosen = {name for option in given for name in BOTH_SIDES.get(option, (option,))}
    for side in ("h", "w"):
        if f"{side}_crop" in chosen:  # the others follow it
            chosen |= {f"{side}_stride", "delta"}
    return chosen


def _sizes(tiles: TiledInferenceParameters) -> str:
    return (
        f"crop {tiles.h_crop} x {tiles.w_crop}, stride {tiles.h_stride} x {tiles.w_stride}, "
        f"delta {tiles.delta}"
    )


def check_turned_tiles(tiles: TiledInferenceParameters, task: TerraTorchTask) -> None:
    """Refuse rotations of tiles that are no squares: the model is for tiles of one shape.

    Images that run whole may have any shape, as the model takes them in different ones anyway.

    Args:
        tiles: How scenes are cut.
        task: The task, which knows the views that it predicts from.

    Raises:
        ConfigurationError: If rotations would turn such tiles.
    """
    turns = task.ensemble is not None and any(view.turns % 2 for view in task.ensemble.views)
    if turns and tiles.h_crop != tiles.w_crop:
        raise ConfigurationError(
            "augment",
            f"rotations turn tiles of {tiles.h_crop} x {tiles.w_crop} pixels, of which the model "
            f"may not take {tiles.w_crop} x {tiles.h_crop}",
            "Give one --crop for both sides, or --augment flips.",
        )


def check_used_by_writer(options: Mapping[str, Any], writer: str) -> None:
    """Refuse options on what is written where a writer of the user's own writes.

    Args:
        options: Those that are given, by name.
        writer: The name of its class.

    Raises:
        ConfigurationError: If one of them is given.
    """
    for name, value in options.items():
        if name not in _OF_ANY_WRITER:
            raise ConfigurationError(
                name,
                f"{value}, but {writer} in trainer.callbacks writes what is predicted",
                f"Leave it out, or {writer}.",
            )


def check_used_in_python(settings: PredictionOptions) -> None:
    """Refuse options that maps in Python would not follow; those on files have no meaning there.

    Args:
        settings: The options.

    Raises:
        ConfigurationError: If one of them is given.
    """
    for name in ("outputs", *ENSEMBLE_OPTIONS, *_LIMITS, *TILE_OPTIONS, *FACT_OPTIONS):
        value = getattr(settings, name)
        if value is not None:
            raise ConfigurationError(
                name,
                f"{value}, which maps in Python do not follow",
                "Leave it out of the configuration, or use terratorch predict; how scenes are cut "
                "may stand in model.init_args.tiled_inference_parameters.",
            )


def check_used(settings: PredictionOptions, datamodule: LightningDataModule | None) -> None:
    """Refuse options that have no use where images are predicted batch by batch.

    Args:
        settings: The options.
        datamodule: The images.

    Raises:
        ConfigurationError: If one of them is given.
    """
    for name in (*_LIMITS, *TILE_OPTIONS):
        if getattr(settings, name) is not None:
            raise ConfigurationError(
                name,
                "is for maps of scenes, but here images are predicted whole: to labels, or by a "
                "task, data module or writer of your own",
                "Leave it out.",
            )
    facts = read_given_facts(settings.date, settings.location)
    if isinstance(datamodule, PredictionDataModule | GenericDataModule):
        datamodule.given_facts = facts
    elif facts.names:
        raise ConfigurationError(
            "date" if facts.dates else "location",
            "is for images that our data modules read, but here it is one of your own",
            "Leave it out, and give temporal_coords and location_coords in the batches.",
        )
    given = settings.batch_size
    used = datamodule.batch_size if isinstance(datamodule, PredictionDataModule) else None
    if given not in (None, used):
        raise ConfigurationError(
            "batch_size",
            f"{given}, but here the data module makes the batches",
            "Set data.init_args.batch_size; without a configuration, give a number.",
        )
