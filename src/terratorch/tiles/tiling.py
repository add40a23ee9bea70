"""Which scenes are cut into tiles by default."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Literal

from terratorch.contracts.model_description import ModelDescription
from terratorch.tiles.parameters import (
    TiledInferenceParameters,
    fitting_delta,
    fitting_stride,
)

logger = logging.getLogger(__name__)

MOST_WHOLE = 2048  # pixels a side of a scene that runs whole, where no chips are known
_SMALLEST_CHIP = 64  # pixels a side; smaller ones make too many tiles of a scene
_CROP = 512
_PIXELS_IN_BATCH = 4 * _CROP**2


@dataclass(frozen=True)
class ChipSize:
    """The chips that a model is for, in pixels.

    Attributes:
        height: Their height.
        width: Their width.
        fitted: Whether the model was trained on them and chosen by them; otherwise it was built for
            them.
    """

    height: int
    width: int
    fitted: bool = False

    @classmethod
    def known(
        cls, fitted: tuple[int, int] | None, described: ModelDescription | None
    ) -> ChipSize | None:
        """Return the chips that are known; None if there are none, or if they are too small.

        Args:
            fitted: Height and width of the largest chips of the training and validation.
            described: The description of the model, for the size that it was built for.
        """
        if fitted is not None and min(fitted) >= _SMALLEST_CHIP:
            return cls(*fitted, fitted=True)
        built = None if described is None else described.chip_size
        return None if built is None or min(built) < _SMALLEST_CHIP else cls(*built)

    def holds(self, height: int, width: int) -> bool:
        """Return whether a scene fits."""
        return height <= self.height and width <= self.width


def tiles_for(
    height: int,
    width: int,
    given: TiledInferenceParameters | None,
    chip: ChipSize | None,
    batch_size: int | Literal["auto"] | None = None,
) -> TiledInferenceParameters | None:
    """Return how a scene is cut into tiles; None if it runs whole.

    Scenes larger than the chips of the training and validation are cut into tiles as large as
    these: what a checkpoint was chosen by is what draws maps.

    Args:
        height: Rows of the scene.
        width: Columns of the scene.
        given: The tiles of the task or the options, which come first.
        chip: The chips that the model is for, if known.
        batch_size: Tiles per forward pass without `given`; None fits it to their size.
    """
    largest = _largest_whole(chip)
    if given is not None or largest.holds(height, width):
        return given
    tiles = default_tiles(chip)
    return tiles if batch_size is None else replace(tiles, batch_size=batch_size)


def _largest_whole(chip: ChipSize | None) -> ChipSize:
    """Return the largest scene that runs whole."""
    return chip if chip is not None and chip.fitted else ChipSize(MOST_WHOLE, MOST_WHOLE)


def default_tiles(chip: ChipSize | None) -> TiledInferenceParameters:
    """Return tiles that overlap by an eighth.

    Args:
        chip: The chips that the model is for, if known.
    """
    height, width = (_CROP, _CROP) if chip is None else (chip.height, chip.width)
    return TiledInferenceParameters(
        h_crop=height,
        w_crop=width,
        h_stride=fitting_stride(height),
        w_stride=fitting_stride(width),
        delta=fitting_delta(min(height, width)),
        batch_size=max(_PIXELS_IN_BATCH // (height * width), 1),
    )


def whole(height: int, width: int, batch_size: int | Literal["auto"]) -> TiledInferenceParameters:
    """Return the one tile that is the whole scene."""
    return TiledInferenceParameters(
        h_crop=height,
        w_crop=width,
        h_stride=height,
        w_stride=width,
        delta=0,
        batch_size=batch_size,
    )


def log_tiles(parameters: TiledInferenceParameters, scenes: int, chip: ChipSize | None) -> None:
    """Log which tiles were chosen, and how to change them."""
    largest = _largest_whole(chip)
    logger.info(
        "%d scene%s larger than %s%d x %d pixels%s run%s tile by tile: crop %d x %d, "
        "stride %d x %d, delta %d, batch_size %s. Set --crop and --stride, or "
        "model.init_args.tiled_inference_parameters, for others.",
        scenes,
        "" if scenes == 1 else "s",
        "the chips of the training and validation, " if largest.fitted else "",
        largest.height,
        largest.width,
        "," if largest.fitted else "",
        "s" if scenes == 1 else "",
        parameters.h_crop,
        parameters.w_crop,
        parameters.h_stride,
        parameters.w_stride,
        parameters.delta,
        parameters.batch_size,
    )
