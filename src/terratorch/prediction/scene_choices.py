"""What part of a scene is predicted, and in which tiles: options, task and chips combined."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Literal

from terratorch.errors import ConfigurationError
from terratorch.prediction.options import TILE_OPTIONS, TILE_SIZES, PredictionOptions
from terratorch.prediction.scenes.area import Limits
from terratorch.tiles.ensemble import Ensemble
from terratorch.tiles.parameters import BOTH_SIDES, TiledInferenceParameters, with_options
from terratorch.tiles.tiling import ChipSize, default_tiles

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SceneChoices:
    """What part of a scene is predicted, and in which tiles.

    Attributes:
        tiles: How scenes are cut; None to choose by their size.
        batch_size: Scenes per forward pass if they run whole.
        tile_batch: Tiles per forward pass if `tiles` is None.
        limits: The area and the masks; None for whole scenes.
    """

    tiles: TiledInferenceParameters | None
    batch_size: int | Literal["auto"]
    tile_batch: int | Literal["auto"] | None
    limits: Limits | None = None

    @classmethod
    def choose(
        cls,
        options: PredictionOptions,
        task_tiles: TiledInferenceParameters | None,
        chip: ChipSize | None,
        batch_size: int = 1,
    ) -> SceneChoices:
        """Combine the options with the settings of the task.

        Args:
            options: The options, which come first.
            task_tiles: The tiles of the task.
            chip: The chips that the model is for.
            batch_size: Scenes per forward pass without the option.

        Raises:
            TerraTorchError: If an option cannot be used.
        """
        tiles = choose_tiles(options, task_tiles, chip)
        if any(getattr(options, name) is not None for name in TILE_SIZES):
            assert tiles is not None, "a size is set"
            logger.info("Tiles as set: %s", _sizes(tiles))
        size = options.batch_size
        if size is not None:
            size = with_options(default_tiles(None), {"batch_size": size}).batch_size
        limits = Limits.from_options(options.area, options.area_crs, options.valid_mask)
        return cls(tiles, size or batch_size, size, limits)

    @property
    def name(self) -> str:
        """What identifies the choices in the tags of a map."""
        # Batch size does not affect the output, so a run can resume with a smaller one.
        tiles = None if self.tiles is None else replace(self.tiles, batch_size=1, verbose=False)
        return f"{tiles} {'' if self.limits is None else self.limits.name}"


def choose_tiles(
    options: PredictionOptions, task_tiles: TiledInferenceParameters | None, chip: ChipSize | None
) -> TiledInferenceParameters | None:
    """Return how scenes are cut; None to choose by their size.

    Raises:
        ConfigurationError: If an option cannot be used.
    """
    values = {name: getattr(options, name) for name in TILE_OPTIONS}
    changes = {name: value for name, value in values.items() if value is not None}
    if not changes and task_tiles is None:
        return None
    if options.batch_size is not None:
        changes["batch_size"] = options.batch_size
    return with_options(task_tiles or default_tiles(chip), changes)


def tile_parameters_set(options: PredictionOptions) -> set[str]:
    """Return the names of the tile parameters that the options determine."""
    names = [name for name in TILE_OPTIONS if getattr(options, name) is not None]
    determined = {name for option in names for name in BOTH_SIDES.get(option, (option,))}
    for side in ("h", "w"):
        if f"{side}_crop" in determined:  # the others follow it
            determined |= {f"{side}_stride", "delta"}
    return determined


def check_turned_tiles(tiles: TiledInferenceParameters, ensemble: Ensemble | None) -> None:
    """Refuse rotations of tiles that are not square, because the model is for one shape.

    Images that run whole may have any shape.

    Raises:
        ConfigurationError: If rotations would turn such tiles.
    """
    turns = ensemble is not None and any(view.turns % 2 for view in ensemble.views)
    if turns and tiles.h_crop != tiles.w_crop:
        raise ConfigurationError(
            "augment",
            f"rotations turn tiles of {tiles.h_crop} x {tiles.w_crop} pixels, and the model may "
            f"not accept {tiles.w_crop} x {tiles.h_crop}",
            "Use one --crop for both sides, or --augment flips.",
        )


def _sizes(tiles: TiledInferenceParameters) -> str:
    return (
        f"crop {tiles.h_crop} x {tiles.w_crop}, stride {tiles.h_stride} x {tiles.w_stride}, "
        f"delta {tiles.delta}"
    )
