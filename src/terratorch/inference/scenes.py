"""Predict scenes in files: read, run, blend and write at the same time, whatever their size."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from torch import Tensor

from terratorch.errors import DataError, OutputError
from terratorch.geo.raster import georeferenced_or_not
from terratorch.inference.area import Limits, WantedPixels
from terratorch.inference.batch_size import SplittingForward
from terratorch.inference.engine import Forward, run_tiles, tile_weights
from terratorch.inference.folder import PredictionFolder
from terratorch.inference.map_sink import DecidingSink, MapFiles, TakeRows
from terratorch.inference.parameters import AUTO, TiledInferenceParameters
from terratorch.inference.partial import Unfinished, find_unfinished
from terratorch.inference.plan import Tile, TilePlan, plan_tiles
from terratorch.inference.prediction import Prediction
from terratorch.inference.progress import TileProgress
from terratorch.inference.scene import Scene, Weights
from terratorch.inference.segments import Extent, Part
from terratorch.inference.sink import RollingCanvas
from terratorch.inference.strip import RowReader, StripSource, ValidRows
from terratorch.inference.threads import WriteBehind
from terratorch.inference.tiling import log_tiles, tiles_for, whole
from terratorch.inference.tuning import with_batch_sizes
from terratorch.inference.writer import Georeference, is_complete

logger = logging.getLogger(__name__)

# What GDAL may keep of blocks that were read or are to be written; by default it is a part of the
# memory of the machine. Blocks are read once, so that little is gained by more.
GDAL_CACHE = 128 * 2**20
BATCHES_AHEAD = 1
_WRITES_WAITING = 4

RUN_TAG = "TERRATORCH_RUN"
SOURCE_TAG = "TERRATORCH_SOURCE"  # which version of the image


@dataclass(frozen=True)
class ScenePredictor:
    """What turns files into maps.

    Attributes:
        open_reader: Opens a file.
        forward: The model: maps tiles to scores.
        decide: Maps scores `(1, C, n, W)` and the name of a file to their prediction, each pixel by
            itself.
        device: Where the model runs.
        tiles: How scenes are cut; None runs those whole that are not too large.
        chip: Pixels a side that the model was built for, where that is known.
        batch_size: Scenes in a forward pass that run whole; `auto` finds it out.
        tile_batch: Tiles in a forward pass where scenes are cut by themselves; None fits it to the
            size of tiles, `auto` finds it out.
        run: Names what the maps are made with: maps of another run are made again.
        limits: What is wanted of the scenes; None for all.
    """

    open_reader: Callable[[Path], RowReader]
    forward: Forward
    decide: Callable[[Tensor, str], Prediction]
    device: torch.device
    tiles: TiledInferenceParameters | None = None
    chip: int | None = None
    batch_size: int | Literal["auto"] = 1
    tile_batch: int | Literal["auto"] | None = None
    run: str = ""
    limits: Limits | None = None


@dataclass
class ScenesReport:
    """What was done.

    Attributes:
        written: The maps.
        skipped: The images whose maps were there.
        outside: The images of which nothing is wanted.
        failures: The images that could not be read, and why.
        tiles: Tiles that ran.
        pixels: Pixels of the scenes that were predicted.
        seconds: How long that took.
    """

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    outside: list[Path] = field(default_factory=list)
    failures: dict[Path, DataError] = field(default_factory=dict)
    tiles: int = 0
    pixels: int = 0
    seconds: float = 0.0

    def summary(self) -> str:
        """Return how much was done in which time."""
        rate = self.pixels / 1e6 / max(self.seconds, 1e-9)
        return f"{self.tiles} tiles, {self.seconds:.1f} s, {rate:.2f} Mpx/s"


@dataclass(frozen=True)
class PlannedScene:
    """A scene, and how it is predicted.

    Attributes:
        path: The file.
        reference: Where its pixels lie.
        parameters: How it is cut.
        plan: Its tiles.
        wanted: Which pixels are wanted; None for all.
        tiles: Which tiles are, by row and column; None for all.
        unfinished: Maps of an earlier run to go on with.
    """

    path: Path
    reference: Georeference
    parameters: TiledInferenceParameters
    plan: TilePlan
    wanted: WantedPixels | None = None
    tiles: NDArray[np.bool_] | None = None
    unfinished: Unfinished | None = None

    @property
    def begin(self) -> int:
        """The first row that is not predicted yet."""
        return 0 if self.unfinished is None else self.unfinished.rows

    @property
    def extent(self) -> Extent:
        """The tiles and rows that are wanted."""
        return Extent(self.plan, self.begin, self.tiles)

    @property
    def count(self) -> int:
        """How many tiles are to be run."""
        return self.extent.count if self.unfinished is None else len(self.todo)

    @property
    def todo(self) -> range:
        """The wanted tiles, by number, that touch rows that are not predicted yet."""
        return self.extent.tiles_for(self.begin, self.reference.height)

    def rest(self) -> Part:
        """Return what is not predicted yet, with the tiles before it that are in its batch."""
        extent, todo = self.extent, self.todo
        first = todo.start - todo.start % self.parameters.tiles_at_once
        places = extent.place(first), extent.place(todo.stop - 1) + 1
        return Part(0, self.begin, self.reference.height, *places)

    def without_pixels(self) -> PlannedScene:
        """Return the scene without its mask of pixels, which `Limits` make again elsewhere."""
        return replace(self, wanted=None)

    def wants(self, tile: Tile) -> bool:
        """Whether a tile is wanted."""
        return self.tiles is None or bool(self.tiles[tile.row, tile.column])


@dataclass(frozen=True)
class Outlet:
    """Where the prediction of scenes goes.

    Attributes:
        take: Returns what takes the rows of a scene, in order.
        fail: Is told that a file cannot be read, and why.
        on_tiles: Is told how many tiles were done.
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
        self._weights: tuple[object, Weights] | None = None

    def scene(
        self,
        planned: PlannedScene,
        take: TakeRows,
        fail: Callable[[Path, DataError], None],
        part: Part | None = None,
    ) -> Scene:
        """Return a scene that is read from its file.

        Args:
            planned: The scene.
            take: Takes the prediction of its rows.
            fail: Is told that it cannot be read.
            part: What is wanted of it; None for all.
        """
        part = part or planned.rest()
        predictor, reference, plan = self.predictor, planned.reference, planned.plan
        height, width = reference.height, reference.width
        valid = ValidRows(None if planned.wanted is None else planned.wanted.rows)
        sink = DecidingSink(reference.path, predictor.decide, valid, take)
        source = StripSource(
            lambda: predictor.open_reader(planned.path),
            plan,
            height,
            width,
            planned.parameters.padding_mode,
            valid,
        )

        def on_failure(error: DataError) -> None:
            source.close()
            fail(planned.path, error)

        some = planned.tiles is not None  # what is fresh is not known where tiles are left out
        return Scene(
            plan=plan,
            source=source,
            canvas=RollingCanvas(sink, width, not plan.even or some, part.begin, part.end),
            weights=self._weights_of(planned),
            begin=part.begin,
            end=part.end,
            first=part.first,
            stop=part.stop,
            wants=planned.wants if some else None,
            on_failure=on_failure,
        )

    def _weights_of(self, planned: PlannedScene) -> Weights:
        """Return the weights of tiles; those of the scene before where it was cut alike."""
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


def predict_scenes(
    paths: Sequence[Path],
    predictor: ScenePredictor,
    folder: PredictionFolder,
    *,
    overwrite: bool = False,
    strict: bool = False,
    progress: bool = True,
    run: RunGroup = run_group,
) -> ScenesReport:
    """Write the maps of scenes; memory depends on the rows of tiles, not on the scenes.

    Args:
        paths: The files.
        predictor: What turns them into maps.
        folder: Where the maps go.
        overwrite: Whether maps of the same run that are complete are made again.
        strict: Whether to stop at the first file that cannot be read.
        progress: Whether a bar is shown on a terminal.
        run: Runs the scenes that share batches: here, or on other machines.

    Raises:
        DataError: If a file cannot be read and `strict` is set, or a value cannot be stored.
        TerraTorchError: If the folder takes no more.
    """
    return _Run(predictor, folder, overwrite, strict).predict(paths, progress, run)


class _Run:
    def __init__(
        self, predictor: ScenePredictor, folder: PredictionFolder, overwrite: bool, strict: bool
    ) -> None:
        self.predictor, self.folder = predictor, folder
        self.overwrite, self.strict = overwrite, strict
        self.report = ScenesReport()
        self.tags: Mapping[str, str] = {RUN_TAG: predictor.run}
        self.files: dict[Path, MapFiles] = {}

    def predict(self, paths: Sequence[Path], progress: bool, run: RunGroup) -> ScenesReport:
        start = time.perf_counter()
        planned = [scene for path in paths if (scene := self._planned(path)) is not None]
        self._log_choices(planned)
        if any(scene.parameters.batch_size == AUTO for scene in planned):
            self.predictor = replace(
                self.predictor, forward=SplittingForward(self.predictor.forward)
            )
            with torch.no_grad():
                planned = with_batch_sizes(planned, self.predictor)
        if any(scene.parameters.batch_size == AUTO for scene in planned):
            self.predictor = replace(
                self.predictor, forward=SplittingForward(self.predictor.forward)
            )
            with torch.no_grad():
                planned = with_batch_sizes(planned, self.predictor)
        total = sum(scene.count for scene in planned)
        try:
            with (
                rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE),
                georeferenced_or_not(),
                TileProgress(total, progress) as bar,
                WriteBehind(_WRITES_WAITING) as write,
            ):
                outlet = self._outlet(write, bar)
                for _, group in groupby(planned, key=lambda scene: scene.parameters.batch_size):
                    run(list(group), self.predictor, outlet)
                for path in self.report.skipped:
                    write(self.folder.finish, str(path))
        except OutputError:
            self._close(MapFiles.discard)  # what is on the disk may not be whole
            raise
        finally:
            # Where it was interrupted, another run goes on from there.
            self._close(MapFiles.suspend)
        self._sum_up(planned)
        self.report.tiles = bar.done
        self.report.seconds = time.perf_counter() - start
        return self.report

    def _planned(self, path: Path) -> PlannedScene | None:
        """Return how a scene is predicted; None where there is nothing to do, or it is unusable."""
        predictor = self.predictor
        try:
            reference = Georeference.of(path)
            wanted = None if predictor.limits is None else predictor.limits.of(reference)
        except DataError as error:
            self._fail(path, error)
            return None
        height, width = reference.height, reference.width
        map_path = self.folder.path_of(str(path))
        if not self.overwrite and self._is_done(path, map_path, height, width):
            self.report.skipped.append(path)
            return None
        parameters = tiles_for(height, width, predictor.tiles, predictor.chip, predictor.tile_batch)
        if parameters is None:
            parameters = whole(height, width, predictor.batch_size)
        plan = plan_tiles(height, width, parameters)
        tiles = None if wanted is None else wanted.tiles(plan)
        if tiles is not None and not tiles.any():
            self.report.outside.append(path)
            return None
        if tiles is not None and tiles.all():
            tiles = None
        scene = PlannedScene(path, reference, parameters, plan, wanted, tiles)
        return self._begun(scene)

    def _begun(self, scene: PlannedScene) -> PlannedScene:
        """Return the scene with what an earlier run has left of it."""
        if self.overwrite:
            return scene
        reference = scene.reference
        unfinished = find_unfinished(
            partial(self.folder.path_of, reference.path),
            reference.height,
            reference.width,
            self._tags_of(scene.path),
        )
        begun = replace(scene, unfinished=unfinished)
        if not begun.begin or not begun.extent.has_tiles(begun.begin, reference.height):
            return scene
        logger.info(
            "%s: going on from row %d of %d, where an earlier run ended",
            scene.path,
            begun.begin,
            reference.height,
        )
        return begun

    def _tags_of(self, path: Path) -> dict[str, str]:
        """Return what the maps of an image say of themselves."""
        state = path.stat() if path.exists() else None
        source = "" if state is None else f"{state.st_size} bytes, {state.st_mtime_ns}"
        return {**self.tags, SOURCE_TAG: source}

    def _close(self, close: Callable[[MapFiles], None]) -> None:
        for path, files in self.files.items():
            if path in self.report.failures:
                files.discard()
            else:
                close(files)

    def _is_done(self, path: Path, map_path: Path, height: int, width: int) -> bool:
        if not is_complete(map_path, height, width, self.tags):
            return False
        limits = self.predictor.limits
        changed = 0.0 if limits is None else limits.changed_at(path)
        changed = max(changed, path.stat().st_mtime if path.exists() else 0.0)
        return changed <= map_path.stat().st_mtime

    def _log_choices(self, planned: Sequence[PlannedScene]) -> None:
        if self.predictor.tiles is None:
            tiled = [scene for scene in planned if len(scene.plan) > 1]
            if tiled:
                log_tiles(tiled[0].parameters, len(tiled))

    def _outlet(self, write: WriteBehind, bar: TileProgress) -> Outlet:
        def take(scene: PlannedScene) -> TakeRows:
            files = self.files[scene.path] = MapFiles(
                scene.reference, self.folder, self._tags_of(scene.path), scene.unfinished
            )
            return partial(write, files.write)

        def on_tiles(count: int) -> None:
            bar(count)
            self._discard_failed(write)

        return Outlet(take, self._fail, on_tiles)

    def _fail(self, path: Path, error: DataError) -> None:
        self.report.failures[path] = error
        if self.strict:
            raise error
        logger.warning("Left out: %s", error)

    def _discard_failed(self, write: WriteBehind) -> None:
        """Remove what was written of scenes that failed."""
        for path in list(self.report.failures):
            files = self.files.pop(path, None)
            if files is not None:
                write(files.discard)

    def _sum_up(self, planned: Sequence[PlannedScene]) -> None:
        for scene in planned:
            files = self.files.get(scene.path)
            if files is not None:
                self.report.written += files.written
                self.report.pixels += scene.reference.height * scene.reference.width
