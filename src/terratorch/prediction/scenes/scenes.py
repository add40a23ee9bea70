"""Predict scenes in files: read, run, blend and write at the same time, whatever their size."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from terratorch.contracts.map_tags import RUN_TAG, SOURCE_TAG
from terratorch.contracts.prediction import FURTHER_LAYERS
from terratorch.errors import DataError, OutputError
from terratorch.geo.partial_file import leftovers
from terratorch.geo.raster import files_behind
from terratorch.prediction.outputs.base import SceneFiles, TakeRows
from terratorch.prediction.outputs.folder import PredictionFolder
from terratorch.prediction.outputs.types import OUTPUT_TYPES
from terratorch.prediction.partial import Unfinished, find_unfinished, remove_unfinished
from terratorch.prediction.report import PredictionReport
from terratorch.prediction.scenes.planned_scene import PlannedScene, ScenePredictor, plan_scene
from terratorch.prediction.scenes.progress import TileProgress
from terratorch.prediction.scenes.scene_stream import (
    Outlet,
    RunGroup,
    run_group,
    run_scenes,
)
from terratorch.tiles.threads import WriteBehind
from terratorch.tiles.tiling import log_tiles

logger = logging.getLogger(__name__)

_WRITES_WAITING = 4


def _forget_frames(error: DataError) -> None:
    """Keep the message only: the calls that led to it hold files, and rows of pixels."""
    error.__traceback__ = error.__cause__ = error.__context__ = None


def _discard(files: SceneFiles) -> None:
    files.discard()


def _suspend(files: SceneFiles) -> None:
    files.suspend()


def predict_scenes(
    paths: Sequence[Path],
    predictor: ScenePredictor,
    folder: PredictionFolder,
    *,
    unreadable: Mapping[Path, DataError] | None = None,
    overwrite: bool = False,
    strict: bool = False,
    progress: bool = True,
    run: RunGroup = run_group,
) -> PredictionReport:
    """Write the maps of scenes; memory depends on the rows of tiles, not on the scenes.

    Args:
        paths: The files.
        predictor: What turns them into maps.
        folder: Where the maps go.
        unreadable: Scenes that cannot be joined, and why.
        overwrite: Whether to predict again where maps are complete.
        strict: Whether to stop at the first file that cannot be read, or that returns NaN.
        progress: Whether a bar is shown on a terminal.
        run: Runs the scenes that share batches: here, or on other machines.

    Raises:
        DataError: If a file has no map and `strict` is set, or a value cannot be stored.
        TerraTorchError: If the folder is full.
    """
    run_of_all = _Run(predictor, folder, overwrite, strict)
    for path, error in (unreadable or {}).items():
        run_of_all.fail(path, error)
    return run_of_all.predict(paths, progress, run)


class _Run:
    def __init__(
        self, predictor: ScenePredictor, folder: PredictionFolder, overwrite: bool, strict: bool
    ) -> None:
        self.predictor, self.folder = predictor, folder
        self.overwrite, self.strict = overwrite, strict
        self.report = PredictionReport()
        self.tags: Mapping[str, str] = {RUN_TAG: predictor.run}
        self.files: dict[Path, SceneFiles] = {}
        self.leftovers = leftovers(folder.directory)
        self.resumed: list[Unfinished] = []

    def predict(self, paths: Sequence[Path], progress: bool, run: RunGroup) -> PredictionReport:
        """Predict scenes, and unlock the maps of earlier runs."""
        start = time.perf_counter()
        try:
            self._predict(paths, progress, run)
        finally:
            for unfinished in self.resumed:
                unfinished.release()
        self.report.seconds = time.perf_counter() - start
        return self.report

    def _predict(self, paths: Sequence[Path], progress: bool, run: RunGroup) -> None:
        planned = [scene for path in paths if (scene := self._planned(path)) is not None]
        self._log_choices(planned)
        total = sum(scene.count for scene in planned)
        try:
            with TileProgress(total, progress) as bar, WriteBehind(_WRITES_WAITING) as write:
                run_scenes(planned, self.predictor, self._outlet(write, bar), run)
                for path in self.report.skipped:
                    write(self.folder.finish, self.predictor.output_type, str(path))
        except OutputError:
            self._close(_discard)  # what is on the disk may not be whole
            raise
        finally:
            # Another run resumes an interrupted one.
            self._close(_suspend)
        self._sum_up(planned)

    def _planned(self, path: Path) -> PlannedScene | None:
        """Return how a scene is predicted; None if its map is complete, or it cannot be used."""
        try:
            scene = plan_scene(path, self.predictor)
        except DataError as error:
            self.fail(path, error)
            return None
        if scene is None:
            self.report.outside.append(path)
        elif self._is_done(scene):
            self._remove_unfinished(scene)
            self.report.skipped.append(path)
        else:
            return self._resumed(scene)
        return None

    def _resumed(self, scene: PlannedScene) -> PlannedScene:
        """Return the scene with the unfinished maps of an earlier run, if there are any."""
        reference = scene.reference
        if self.overwrite:
            self._remove_unfinished(scene)
            return scene
        unfinished = find_unfinished(
            self.leftovers,
            partial(self.folder.path_of, reference.path),
            reference.height,
            reference.width,
            self._tags_of(scene.path),
        )
        if unfinished is None:
            return scene
        resumed = replace(scene, unfinished=unfinished)
        if not resumed.extent.has_tiles(resumed.begin, reference.height):
            unfinished.remove()
            return scene
        self.resumed.append(unfinished)
        logger.info(
            "%s: resuming at row %d of %d",
            scene.path,
            resumed.begin,
            reference.height,
        )
        return resumed

    def _remove_unfinished(self, scene: PlannedScene) -> None:
        """Remove the unfinished maps of a scene."""
        remove_unfinished(self.leftovers, partial(self.folder.path_of, scene.reference.path))

    def _tags_of(self, path: Path) -> dict[str, str]:
        """Return the tags for the maps of an image."""
        limits = self.predictor.limits
        mask = None if limits is None else limits.mask_of(path)
        files = [*files_behind(path), *(() if mask is None else files_behind(mask))]
        states = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        digest = hashlib.sha256(repr(states).encode()).hexdigest()
        return {**self.tags, SOURCE_TAG: digest[:16]}

    def _close(self, close: Callable[[SceneFiles], None]) -> None:
        with ExitStack() as closing:  # each of them, even if another fails
            for path, files in reversed(self.files.items()):
                is_failed = path in self.report.failures
                closing.callback(_discard if is_failed else close, files)

    def _is_done(self, scene: PlannedScene) -> bool:
        handling = OUTPUT_TYPES[self.predictor.output_type].handling
        tags = self._tags_of(scene.path)
        return not self.overwrite and handling.is_complete(self.folder, scene.reference, tags)

    def _log_choices(self, planned: Sequence[PlannedScene]) -> None:
        if self.predictor.tiles is None:
            tiled = [scene for scene in planned if len(scene.plan) > 1]
            if tiled:
                log_tiles(tiled[0].parameters, len(tiled), self.predictor.chip)

    def _outlet(self, write: WriteBehind, bar: TileProgress) -> Outlet:
        def take(scene: PlannedScene) -> TakeRows:
            files = self.files[scene.path] = self.folder.scene_files(
                self.predictor.output_type,
                scene.reference,
                self._tags_of(scene.path),
                scene.unfinished,
            )
            return partial(write, files.write)

        def on_tiles(count: int) -> None:
            bar(count)
            self._discard_failed(write)

        return Outlet(take, self.fail, on_tiles)

    def fail(self, path: Path, error: DataError) -> None:
        """Record a scene without a map."""
        self.report.failures[path] = error
        if self.strict:
            raise error
        _forget_frames(error)
        logger.warning("%s failed and is skipped; the summary lists the reason", path)

    def _discard_failed(self, write: WriteBehind) -> None:
        """Remove the files of failed scenes."""
        for path in list(self.report.failures):
            files = self.files.pop(path, None)
            if files is not None:
                write(files.discard)

    def _stale(self, scene: PlannedScene, files: SceneFiles) -> list[Path]:
        """Return layers of a scene that earlier runs with other options wrote."""
        if not files.written:
            return []
        layers = [self.folder.path_of(scene.reference.path, name) for name in FURTHER_LAYERS]
        return [path for path in layers if path not in files.written and path.is_file()]

    def _sum_up(self, planned: Sequence[PlannedScene]) -> None:
        for scene in planned:
            files = self.files.get(scene.path)
            if files is not None:
                self.report.written += files.written
                self.report.stale += self._stale(scene, files)
                self.report.tiles += scene.count
                self.report.pixels += math.prod(scene.size)
