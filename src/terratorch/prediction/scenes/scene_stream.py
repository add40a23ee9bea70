"""Run scenes through the engine: from files to the prediction of their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import rasterio
import torch

from terratorch.errors import DataError
from terratorch.geo.raster import georeferenced_or_not
from terratorch.prediction.outputs.base import JoinRequest, TakeRows
from terratorch.prediction.outputs.types import OUTPUT_TYPES
from terratorch.prediction.scenes.extent import RowBand
from terratorch.prediction.scenes.planned_scene import PlannedScene, ScenePredictor
from terratorch.prediction.scenes.strip import ValidRows
from terratorch.tiles.engine import run_tiles, tile_weights
from terratorch.tiles.scene import Scene
from terratorch.tiles.sink import TileWeights

# What GDAL may keep of blocks that were read or are to be written; by default it is a part of the
# memory of the machine. Blocks are read once, so that little is gained by more.
GDAL_CACHE = 128 * 2**20
BATCHES_AHEAD = 1


@dataclass(frozen=True)
class Outlet:
    """Where the prediction of scenes goes.

    Attributes:
        take: Returns what takes the rows of a scene, in order.
        fail: Receives a file without a map, and the reason.
        on_tiles: Receives how many tiles are finished, including those of failed scenes.
    """

    take: Callable[[PlannedScene], TakeRows]
    fail: Callable[[Path, DataError], None]
    on_tiles: Callable[[int], None]


# Runs scenes whose tiles share batches.
RunGroup = Callable[[Sequence[PlannedScene], ScenePredictor, Outlet], None]


class SceneStream:
    """Makes the scenes that go through the engine.

    Args:
        predictor: What turns files into maps.
    """

    def __init__(self, predictor: ScenePredictor) -> None:
        self.predictor = predictor
        self._weights: tuple[object, TileWeights] | None = None

    def scene(
        self,
        planned: PlannedScene,
        take: TakeRows,
        fail: Callable[[Path, DataError], None],
        rows: RowBand | None = None,
    ) -> Scene:
        """Return a scene that is read from its file.

        Args:
            planned: The scene.
            take: Takes the prediction of its rows.
            fail: Receives the reason if it cannot be read or decided.
            rows: The rows to predict; None for all that are not predicted yet.
        """
        rows = rows or planned.rest()
        plan, some = planned.plan, planned.tiles is not None
        valid = ValidRows()

        def reject(error: DataError) -> None:
            scene.rejected = True  # its source is closed by the thread that reads
            fail(planned.path, error)

        def on_failure(error: DataError) -> None:
            if not scene.rejected:
                fail(planned.path, error)

        request = JoinRequest(
            filename=planned.reference.path,
            plan=plan,
            begin=rows.begin,
            end=rows.end,
            zeroed=not plan.even or some,  # what is fresh is not known if tiles are skipped
            weights=partial(self._weights_of, planned),
            decide=self.predictor.decide,
            valid=planned.valid_rows(valid),
            take=take,
            reject=reject,
        )
        scene = Scene(
            plan=plan,
            source=planned.source(self.predictor, valid),
            joiner=OUTPUT_TYPES[self.predictor.output_type].handling.join(request),
            begin=rows.begin,
            end=rows.end,
            first=rows.first,
            stop=rows.stop,
            wants=planned.wants if some else None,
            on_failure=on_failure,
        )
        return scene

    def _weights_of(self, planned: PlannedScene) -> TileWeights:
        """Return the weights of tiles, reusing those of the scene before if it was cut alike."""
        reference = planned.reference
        key = (reference.height, reference.width, astuple(planned.parameters))
        if self._weights is None or self._weights[0] != key:
            weights = tile_weights(planned.plan, planned.parameters, self.predictor.device)
            self._weights = (key, weights)
        return self._weights[1]


def run_group(planned: Sequence[PlannedScene], predictor: ScenePredictor, outlet: Outlet) -> None:
    """Run scenes whose tiles share batches, one after the other.

    Args:
        planned: The scenes.
        predictor: What turns files into maps.
        outlet: Where the prediction goes.
    """
    stream = SceneStream(predictor)
    with torch.no_grad():
        run_tiles(
            (stream.scene(scene, outlet.take(scene), outlet.fail) for scene in planned),
            predictor.forward,
            planned[0].parameters.tiles_at_once,
            predictor.device,
            outlet.on_tiles,
            ahead=BATCHES_AHEAD,
        )


def run_scenes(
    planned: Sequence[PlannedScene],
    predictor: ScenePredictor,
    outlet: Outlet,
    run: RunGroup = run_group,
) -> None:
    """Run scenes, those together whose tiles share batches.

    Args:
        planned: The scenes.
        predictor: What turns files into maps.
        outlet: Where the prediction goes.
        run: Runs such a group: here, or on other machines.
    """
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE), georeferenced_or_not():
        for _, group in groupby(planned, key=lambda scene: scene.parameters.batch_size):
            run(list(group), predictor, outlet)
