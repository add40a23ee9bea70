"""Validation and tests on whole scenes: tile by tile where that is asked for, and said."""

from __future__ import annotations

import logging
from typing import Any

from torch import Tensor

from terratorch.logs import log_once, warn_once
from terratorch.tasks.settings import PATH, TaskSettings
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.plan import plan_tiles
from terratorch.tiles.source import scene_size
from terratorch.tiles.tiling import MOST_WHOLE, ChipSize, default_tiles

logger = logging.getLogger(__name__)


class SceneTiles:
    """Says how the images of validation and tests are cut, and tells when that changes.

    Args:
        settings: Those of the task.
        of_pixels: Whether the task has a target for each pixel; others are never cut.
    """

    def __init__(self, settings: TaskSettings, of_pixels: bool) -> None:
        self.settings, self.of_pixels = settings, of_pixels
        self._chosen: TiledInferenceParameters | None = None

    def choose_anew(self) -> None:
        """Forget the tiles of the run before: by now the chips may be known, or be others."""
        self._chosen = None

    def validation(self, image: Any, chip: ChipSize | None) -> TiledInferenceParameters | None:
        """Return how a batch of the validation is cut; None where it runs whole."""
        wanted = self.settings.tiled_inference_on_validation
        return self._tiles("validation", wanted, image, chip)

    def testing(self, image: Any, chip: ChipSize | None) -> TiledInferenceParameters | None:
        """Return how a batch of a test is cut; None where it runs whole."""
        return self._tiles("testing", self.settings.tiled_inference_on_testing, image, chip)

    def _tiles(
        self, stage: str, wanted: bool, image: Any, chip: ChipSize | None
    ) -> TiledInferenceParameters | None:
        if not wanted:
            self._hint(stage, image)
            return None
        given = self.settings.tiled_inference_parameters
        # While a model is trained, more is known of its chips from batch to batch: all its
        # validations are cut alike.
        self._chosen = self._chosen or given or default_tiles(chip)
        tiles = self._chosen
        self._log_plan(stage, image, tiles)
        return tiles

    def _hint(self, stage: str, image: Any) -> None:
        """Name the option where images are so large that they may not fit."""
        if not self.of_pixels or not isinstance(image, Tensor):
            return
        height, width = image.shape[-2:]
        if max(height, width) > MOST_WHOLE:
            warn_once(
                logger,
                "%s: an image of %d x %d pixels runs whole, so that the memory must hold what the "
                "model makes of all its pixels. %s.tiled_inference_on_%s: true runs it tile by "
                "tile. (said once)",
                *(stage, height, width, PATH, stage),
                key=stage,
                owner=self,
            )

    def _log_plan(self, stage: str, image: Any, tiles: TiledInferenceParameters) -> None:
        height, width = scene_size(image)
        chosen = self.settings.tiled_inference_parameters is None
        log_once(
            logger,
            logging.INFO,
            "%s runs tile by tile, the first image of %d x %d pixels in %d: crop %d x %d, "
            "stride %d x %d, delta %d, batch_size %s.%s",
            *(stage, height, width, len(plan_tiles(height, width, tiles))),
            *(tiles.h_crop, tiles.w_crop, tiles.h_stride, tiles.w_stride),
            *(tiles.delta, tiles.batch_size),
            f" Set {PATH}.tiled_inference_parameters for others." if chosen else "",
            key=(stage, tiles.h_crop, tiles.w_crop, tiles.h_stride, tiles.w_stride, tiles.delta),
            owner=self,
        )
