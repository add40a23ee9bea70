"""Predict scenes in files without writing maps: only the main layer is kept, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from terratorch.contracts.outputs import Raster
from terratorch.contracts.prediction import MAIN_LAYER, Prediction
from terratorch.errors import ConfigurationError, DataError
from terratorch.prediction.scenes.map_sink import TakeRows
from terratorch.prediction.scenes.planned_scene import PlannedScene, ScenePredictor, plan_scene
from terratorch.prediction.scenes.scene_stream import Outlet, run_scenes, tuned


def predict_in_memory(paths: Sequence[Path], predictor: ScenePredictor) -> list[Prediction]:
    """Predict files; they are read row of tiles by row of tiles.

    Args:
        paths: The files.
        predictor: What turns them into maps.

    Returns:
        The main layer of each, as a batch of one.

    Raises:
        DataError: If a file cannot be read.
        ConfigurationError: If nothing of a file is wanted.
    """
    planned = []
    for path in paths:
        scene = plan_scene(path, predictor)
        if scene is None:
            raise ConfigurationError(
                f"area of '{path}'", "nothing of the image lies within", "Leave the image out."
            )
        planned.append(scene)
    planned, predictor = tuned(planned, predictor)
    kept = {scene.path: _KeptRows(scene) for scene in planned}

    def take(scene: PlannedScene) -> TakeRows:
        return kept[scene.path].take

    run_scenes(planned, predictor, Outlet(take, _fail, _ignore))
    return [kept[path].prediction() for path in paths]


def _fail(_path: Path, error: DataError) -> None:
    raise error


def _ignore(_tiles: int) -> None:
    """Nobody is told how far it is."""


@dataclass
class _KeptRows:
    """The rows of one scene, in one tensor from the start."""

    scene: PlannedScene
    valid: Tensor | None = None
    _values: Tensor | None = None
    _first: Prediction | None = None

    def take(self, top: int, prediction: Prediction, valid: Tensor | None, _scores: int) -> None:
        assert isinstance(prediction.main, Raster), "only rasters come in rows"
        rows = prediction.main.values
        height, width = self.scene.reference.height, self.scene.reference.width
        bottom = top + rows.shape[-2]
        if self._values is None:
            self._values = rows.new_empty((*rows.shape[:-2], height, width))
            self._first = prediction
        self._values[..., top:bottom, :] = rows
        if valid is not None:
            if self.valid is None:
                self.valid = torch.ones(1, height, width, dtype=torch.bool)
            self.valid[0, top:bottom] = valid

    def prediction(self) -> Prediction:
        assert self._values is not None, "each scene has rows"
        assert self._first is not None, "each scene has rows"
        main = replace(self._first.main, values=self._values)  # type: ignore[call-arg]  # a raster
        return replace(self._first, outputs={MAIN_LAYER: main}, valid=self.valid)
