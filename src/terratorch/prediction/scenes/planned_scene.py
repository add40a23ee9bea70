"""A scene in a file, and how it is predicted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from terratorch.contracts.outputs import OutputValue, Raster
from terratorch.contracts.prediction import Prediction
from terratorch.geo.raster import open_raster
from terratorch.logs import log_once
from terratorch.prediction.maps.recognition import refuse_map
from terratorch.prediction.maps.writer import Georeference
from terratorch.prediction.partial import Unfinished
from terratorch.prediction.scenes.area import Limits, SelectedPixels
from terratorch.prediction.scenes.extent import Extent, RowBand
from terratorch.prediction.scenes.strip import (
    PatchSource,
    RowReader,
    StripSource,
    TakeValid,
    ValidRows,
    valid_and_selected,
)
from terratorch.tiles.batch_size import automatic_batch_size
from terratorch.tiles.engine import Forward
from terratorch.tiles.parameters import AUTO, TiledInferenceParameters
from terratorch.tiles.plan import Tile, TilePlan, plan_tiles
from terratorch.tiles.source import Source
from terratorch.tiles.tiling import ChipSize, tiles_for, whole

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScenePredictor:
    """What turns files into maps.

    Attributes:
        open_reader: Opens a file.
        forward: The model: maps tiles to scores.
        decide: Maps what the model returned, such as scores `(1, C, n, W)`, and the name of a file
            to its prediction; for rasters, pixel by pixel.
        device: Where the model runs.
        tiles: How scenes are cut; None runs those whole that are not too large.
        chip: The chips that the model is for, if known.
        batch_size: Scenes in a forward pass that run whole; `auto` finds it out.
        tile_batch: Tiles in a forward pass where scenes are cut by themselves; None fits it to the
            size of tiles, `auto` finds it out.
        run: Names what the maps are made with: maps of another run are made again.
        limits: The area and the masks; None for whole scenes.
        output_type: The type of the outputs.
        patch_size: Pixels of the image along a side of a pixel of the outputs.
    """

    open_reader: Callable[[Path], RowReader]
    forward: Forward
    decide: Callable[[Any, str], Prediction]
    device: torch.device
    tiles: TiledInferenceParameters | None = None
    chip: ChipSize | None = None
    batch_size: int | Literal["auto"] = 1
    tile_batch: int | Literal["auto"] | None = None
    run: str = ""
    limits: Limits | None = None
    output_type: type[OutputValue] = Raster
    patch_size: int = 1


@dataclass(frozen=True)
class PlannedScene:
    """A scene, and how it is predicted.

    Attributes:
        path: The file.
        reference: The grid of its outputs.
        parameters: How it is cut.
        plan: Its tiles, in pixels of the outputs.
        size: Height and width of the image.
        wanted: The selected pixels of the outputs; None for all.
        tiles: Which tiles are, by row and column; None for all.
        unfinished: Maps of an earlier run to resume.
    """

    path: Path
    reference: Georeference
    parameters: TiledInferenceParameters
    plan: TilePlan
    size: tuple[int, int]
    wanted: SelectedPixels | None = None
    tiles: NDArray[np.bool_] | None = None
    unfinished: Unfinished | None = None

    @property
    def begin(self) -> int:
        """The first row that is not predicted yet."""
        return 0 if self.unfinished is None else self.unfinished.rows

    @property
    def extent(self) -> Extent:
        """The selected tiles, and the rows to predict."""
        return Extent(self.plan, self.begin, self.tiles)

    @property
    def count(self) -> int:
        """How many tiles are to be run."""
        extent = self.extent
        if self.unfinished is None:
            return extent.count
        return len(extent.tiles_for(self.begin, self.reference.height))

    def rest(self) -> RowBand:
        """Return the rows that are not predicted yet, in the batches of a run of the whole."""
        height = self.reference.height
        return self.extent.band(self.begin, height, self.parameters.tiles_at_once)

    def for_workers(self) -> PlannedScene:
        """Return the scene as it travels to those who run it, and do not write.

        `Limits` make its mask of pixels again there.
        """
        unfinished = self.unfinished and self.unfinished.without_files()
        return replace(self, wanted=None, unfinished=unfinished)

    def source(self, predictor: ScenePredictor, valid: ValidRows) -> Source:
        """Return where its tiles are read.

        Args:
            predictor: What opens its file.
            valid: Records where the rows are valid.
        """
        patch_size = self.reference.patch_size
        strip = StripSource(
            partial(predictor.open_reader, self.path),
            self.plan.scaled(patch_size),
            *self.size,
            self.parameters.padding_mode,
            valid,
        )
        return strip if patch_size == 1 else PatchSource(strip, patch_size)

    def valid_rows(self, valid: ValidRows) -> TakeValid:
        """Return a function that returns which pixels of the outputs are valid and selected.

        Args:
            valid: Where the pixels of the image are.
        """
        wanted = None if self.wanted is None else self.wanted.rows
        return partial(valid_and_selected, valid, self.size, self.reference.patch_size, wanted)

    def wants(self, tile: Tile) -> bool:
        """Return whether a tile is selected."""
        return self.tiles is None or bool(self.tiles[tile.row, tile.column])


def plan_scene(path: Path, predictor: ScenePredictor) -> PlannedScene | None:
    """Return how a scene is predicted; None if none of its pixels is selected.

    Args:
        path: The file.
        predictor: What turns it into a map.

    Raises:
        DataError: If it is not an image, such as a finished map, or its mask does not fit.
    """
    with open_raster(path) as dataset:
        refuse_map(path, dataset)
        image = Georeference.of_open(path, dataset)
    height, width = image.height, image.width
    reference = image.coarsened(predictor.patch_size)
    parameters = tiles_for(height, width, predictor.tiles, predictor.chip, predictor.tile_batch)
    if parameters is None:
        parameters = whole(height, width, predictor.batch_size)
        in_patches = whole(reference.height, reference.width, predictor.batch_size)
    else:
        in_patches = parameters.coarsened(predictor.patch_size)
    if parameters.batch_size == AUTO:
        size = automatic_batch_size(
            min(height, parameters.h_crop), min(width, parameters.w_crop), predictor.device
        )
        log_once(logger, logging.INFO, "batch_size auto: %d tiles at once", size, key=size)
        parameters = replace(parameters, batch_size=size)
    plan = plan_tiles(reference.height, reference.width, in_patches)
    wanted = None if predictor.limits is None else predictor.limits.of(reference)
    tiles = None if wanted is None else wanted.tiles(plan)
    if tiles is not None and not tiles.any():
        return None
    if tiles is not None and tiles.all():
        tiles = None
    return PlannedScene(path, reference, parameters, plan, (height, width), wanted, tiles)
