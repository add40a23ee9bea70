"""Validation and tests on whole scenes: tile by tile if the settings ask for it."""

from __future__ import annotations

import logging

from torch import Tensor

from terratorch.contracts.images import Images
from terratorch.logs import log_once, warn_once
from terratorch.tasks.settings import PATH, TileSettings
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.plan import plan_tiles
from terratorch.tiles.source import scene_size
from terratorch.tiles.tiling import MOST_WHOLE, ChipSize, default_tiles

logger = logging.getLogger(__name__)


class SceneTiles:
    """Choose how the images of validation and tests are cut, and log it.

    Args:
        settings: The settings of tiles.
        is_dense: Whether there is a target for each pixel; other images are never cut.
    """

    def __init__(self, settings: TileSettings, is_dense: bool) -> None:
        self.settings, self.is_dense = settings, is_dense
        self._chosen: TiledInferenceParameters | None = None

    def reset(self) -> None:
        """Forget the tiles of the last run: the chip size may be known by now, or be another."""
        self._chosen = None

    def validation(self, image: Images, chip: ChipSize | None) -> TiledInferenceParameters | None:
        """Return how a batch of the validation is cut; None to run it whole."""
        return self._tiles("validation", self.settings.validation, image, chip)

    def testing(self, image: Images, chip: ChipSize | None) -> TiledInferenceParameters | None:
        """Return how a batch of a test is cut; None to run it whole."""
        return self._tiles("testing", self.settings.testing, image, chip)

    def _tiles(
        self, stage: str, in_tiles: bool, image: Images, chip: ChipSize | None
    ) -> TiledInferenceParameters | None:
        if not in_tiles:
            self._hint(stage, image)
            return None
        # The known chip size may grow while a model is trained; all validations use one size.
        self._chosen = self._chosen or self.settings.parameters or default_tiles(chip)
        self._log_plan(stage, image, self._chosen)
        return self._chosen

    def _hint(self, stage: str, image: Images) -> None:
        """Name the option for images so large that they may not fit into memory."""
        if not self.is_dense or not isinstance(image, Tensor):
            return
        height, width = image.shape[-2:]
        if max(height, width) > MOST_WHOLE:
            warn_once(
                logger,
                "%s: an image of %d x %d pixels runs whole, so the features of all its pixels must "
                "fit into memory. %s.tiled_inference_on_%s: true runs it tile by tile. "
                "(logged once)",
                *(stage, height, width, PATH, stage),
                key=stage,
                owner=self,
            )

    def _log_plan(self, stage: str, image: Images, tiles: TiledInferenceParameters) -> None:
        height, width = scene_size(image)
        is_default = self.settings.parameters is None
        log_once(
            logger,
            logging.INFO,
            "%s runs tile by tile, the first image of %d x %d pixels in %d: crop %d x %d, "
            "stride %d x %d, delta %d, batch_size %s.%s",
            *(stage, height, width, len(plan_tiles(height, width, tiles))),
            *(tiles.h_crop, tiles.w_crop, tiles.h_stride, tiles.w_stride),
            *(tiles.delta, tiles.batch_size),
            f" Set {PATH}.tiled_inference_parameters for others." if is_default else "",
            key=(stage, tiles.h_crop, tiles.w_crop, tiles.h_stride, tiles.w_stride, tiles.delta),
            owner=self,
        )
