"""Which scenes are cut into tiles, where nobody said so."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Literal

from terratorch.inference.tiles.parameters import (
    TiledInferenceParameters,
    fitting_delta,
    fitting_stride,
)

logger = logging.getLogger(__name__)

MOST_WHOLE = 2048  # pixels a side of a scene that runs whole
_CROP = 512
_PIXELS_IN_BATCH = 4 * _CROP**2


def tiles_for(
    height: int,
    width: int,
    given: TiledInferenceParameters | None,
    chip: int | None,
    batch_size: int | Literal["auto"] | None = None,
) -> TiledInferenceParameters | None:
    """Return how a scene is cut into tiles; None where it runs whole.

    Args:
        height: Rows of the scene.
        width: Columns of the scene.
        given: What the task says, which always counts.
        chip: Pixels a side that the model was built for, where that is known.
        batch_size: Tiles in a forward pass where nothing is given; None fits it to their size.
    """
    if given is not None or max(height, width) <= MOST_WHOLE:
        return given
    tiles = default_tiles(chip)
    return tiles if batch_size is None else replace(tiles, batch_size=batch_size)


def default_tiles(chip: int | None) -> TiledInferenceParameters:
    """Return tiles that overlap by an eighth.

    Args:
        chip: Pixels a side that the model was built for, where that is known.
    """
    crop = chip or _CROP
    return TiledInferenceParameters(
        h_crop=crop,
        w_crop=crop,
        h_stride=fitting_stride(crop),
        w_stride=fitting_stride(crop),
        delta=fitting_delta(crop),
        batch_size=max(_PIXELS_IN_BATCH // crop**2, 1),
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


def log_tiles(parameters: TiledInferenceParameters, scenes: int) -> None:
    """Say what was chosen, and how to choose otherwise."""
    logger.info(
        "%d scene%s of more than %d pixels a side run%s tile by tile: crop %d, stride %d, delta %d,"
        " batch_size %s. Set model.init_args.tiled_inference_parameters for others.",
        scenes,
        "" if scenes == 1 else "s",
        MOST_WHOLE,
        "s" if scenes == 1 else "",
        parameters.h_crop,
        parameters.h_stride,
        parameters.delta,
        parameters.batch_size,
    )
