"""Predict scenes in files: read, run, blend and write at the same time, whatever their size."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

import rasterio
import torch
from torch import Tensor

from terratorch.errors import DataError
from terratorch.inference.engine import Forward, run_tiles, tile_weights
from terratorch.inference.folder import PredictionFolder
from terratorch.inference.map_sink import DecidingSink, MapFiles
from terratorch.inference.parameters import TiledInferenceParameters
from terratorch.inference.plan import TilePlan, plan_tiles
from terratorch.inference.prediction import Prediction
from terratorch.inference.progress import TileProgress
from terratorch.inference.scene import Scene, Weights
from terratorch.inference.sink import RollingCanvas
from terratorch.inference.strip import RowReader, StripSource, ValidRows
from terratorch.inference.threads import WriteBehind
from terratorch.inference.tiling import log_tiles, tiles_for, whole
from terratorch.inference.writer import Georeference, is_complete

logger = logging.getLogger(__name__)

# What GDAL may keep of blocks that were read or are to be written; by default it is a part of the
# memory of the machine. Blocks are read once, so that little is gained by more.
_GDAL_CACHE = 128 * 2**20
_BATCHES_AHEAD = 1
_WRITES_WAITING = 4

RUN_TAG = "TERRATORCH_RUN"


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
        batch_size: Scenes in a forward pass that run whole.
        run: Names what the maps are made with: maps of another run are made again.
    """

    open_reader: Callable[[Path], RowReader]
    forward: Forward
    decide: Callable[[Tensor, str], Prediction]
    device: torch.device
    tiles: TiledInferenceParameters | None = None
    chip: int | None = None
    batch_size: int = 1
    run: str = ""


@dataclass
class ScenesReport:
    """What was done.

    Attributes:
        written: The maps.
        skipped: The images whose maps were there.
        failures: The images that could not be read, and why.
        tiles: Tiles that ran.
        pixels: Pixels of the scenes that were predicted.
        seconds: How long that took.
    """

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failures: dict[Path, DataError] = field(default_factory=dict)
    tiles: int = 0
    pixels: int = 0
    seconds: float = 0.0

    def summary(self) -> str:
        """Return how much was done in which time."""
        rate = self.pixels / 1e6 / max(self.seconds, 1e-9)
        return f"{self.tiles} tiles, {self.seconds:.1f} s, {rate:.2f} Mpx/s"


@dataclass(frozen=True)
class _Planned:
    path: Path
    reference: Georeference
    parameters: TiledInferenceParameters
    plan: TilePlan


def predict_scenes(
    paths: Sequence[Path],
    predictor: ScenePredictor,
    folder: PredictionFolder,
    *,
    overwrite: bool = False,
    strict: bool = False,
    progress: bool = True,
) -> ScenesReport:
    """Write the maps of scenes; memory depends on the rows of tiles, not on the scenes.

    Args:
        paths: The files.
        predictor: What turns them into maps.
        folder: Where the maps go.
        overwrite: Whether maps of the same run that are complete are made again.
        strict: Whether to stop at the first file that cannot be read.
        progress: Whether a bar is shown on a terminal.

    Raises:
        DataError: If a file cannot be read and `strict` is set, or a value cannot be stored.
        TerraTorchError: If the folder takes no more.
    """
    return _Run(predictor, folder, overwrite, strict).predict(paths, progress)


class _Run:
    def __init__(
        self, predictor: ScenePredictor, folder: PredictionFolder, overwrite: bool, strict: bool
    ) -> None:
        self.predictor, self.folder = predictor, folder
        self.overwrite, self.strict = overwrite, strict
        self.report = ScenesReport()
        self.tags: Mapping[str, str] = {RUN_TAG: predictor.run}
        self.files: dict[Path, MapFiles] = {}
        self._weights: tuple[object, Weights] | None = None

    def predict(self, paths: Sequence[Path], progress: bool) -> ScenesReport:
        start = time.perf_counter()
        planned = [scene for path in paths if (scene := self._planned(path)) is not None]
        self._log_choices(planned)
        total = sum(len(scene.plan) for scene in planned)
        try:
            with (
                rasterio.Env(GDAL_CACHEMAX=_GDAL_CACHE),
                TileProgress(total, progress) as bar,
                WriteBehind(_WRITES_WAITING) as write,
            ):
                for _, group in groupby(planned, key=lambda scene: scene.parameters.batch_size):
                    self._run_group(list(group), write, bar)
                for path in self.report.skipped:
                    write(self.folder.finish, str(path))
        finally:
            for files in self.files.values():
                files.discard()
        self._sum_up(planned)
        self.report.tiles = bar.done
        self.report.seconds = time.perf_counter() - start
        return self.report

    def _planned(self, path: Path) -> _Planned | None:
        """Return how a scene is predicted; None where its map is there, or it cannot be read."""
        predictor = self.predictor
        try:
            reference = Georeference.of(path)
        except DataError as error:
            self._fail(path, error)
            return None
        height, width = reference.height, reference.width
        map_path = self.folder.path_of(str(path))
        if not self.overwrite and self._is_done(path, map_path, height, width):
            self.report.skipped.append(path)
            return None
        parameters = tiles_for(height, width, predictor.tiles, predictor.chip)
        if parameters is None:
            parameters = whole(height, width, predictor.batch_size)
        return _Planned(path, reference, parameters, plan_tiles(height, width, parameters))

    def _is_done(self, path: Path, map_path: Path, height: int, width: int) -> bool:
        if not is_complete(map_path, height, width, self.tags):
            return False
        return not path.exists() or path.stat().st_mtime <= map_path.stat().st_mtime

    def _log_choices(self, planned: Sequence[_Planned]) -> None:
        if self.predictor.tiles is None:
            tiled = [scene for scene in planned if len(scene.plan) > 1]
            if tiled:
                log_tiles(tiled[0].parameters, len(tiled))

    def _run_group(
        self, planned: Sequence[_Planned], write: WriteBehind, bar: TileProgress
    ) -> None:
        def on_tiles(count: int) -> None:
            bar(count)
            self._discard_failed(write)

        with torch.no_grad():
            run_tiles(
                (self._scene(scene, write) for scene in planned),
                self.predictor.forward,
                planned[0].parameters.batch_size,
                self.predictor.device,
                on_tiles,
                ahead=_BATCHES_AHEAD,
            )

    def _scene(self, scene: _Planned, write: WriteBehind) -> Scene:
        valid = ValidRows()
        reference, plan = scene.reference, scene.plan
        files = self.files[scene.path] = MapFiles(reference, self.folder, self.tags)
        sink = DecidingSink(
            reference.path, self.predictor.decide, valid, partial(write, files.write)
        )
        source = StripSource(
            lambda: self.predictor.open_reader(scene.path),
            plan,
            reference.height,
            reference.width,
            scene.parameters.padding_mode,
            valid,
        )

        def on_failure(error: DataError) -> None:
            source.close()
            self._fail(scene.path, error)

        return Scene(
            plan=plan,
            source=source,
            canvas=RollingCanvas(sink, reference.width, zeroed=not plan.even),
            weights=self._weights_of(scene),
            on_failure=on_failure,
        )

    def _weights_of(self, scene: _Planned) -> Weights:
        """Return the weights of tiles; those of the scene before where it was cut alike."""
        key = (scene.reference.height, scene.reference.width, astuple(scene.parameters))
        if self._weights is None or self._weights[0] != key:
            weights = tile_weights(scene.plan, scene.parameters, self.predictor.device)
            self._weights = (key, weights)
        return self._weights[1]

    def _fail(self, path: Path, error: DataError) -> None:
        if self.strict:
            raise error
        logger.warning("Left out: %s", error)
        self.report.failures[path] = error

    def _discard_failed(self, write: WriteBehind) -> None:
        """Remove what was written of scenes that failed."""
        for path in list(self.report.failures):
            files = self.files.pop(path, None)
            if files is not None:
                write(files.discard)

    def _sum_up(self, planned: Sequence[_Planned]) -> None:
        for scene in planned:
            files = self.files.get(scene.path)
            if files is not None:
                self.report.written += files.written
                self.report.pixels += scene.reference.height * scene.reference.width
