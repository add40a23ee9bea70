"""Predict scenes in files without writing maps: only the main layer is kept, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from terratorch.contracts.prediction import Prediction
from terratorch.errors import ConfigurationError, DataError
from terratorch.prediction.outputs.base import TakeRows
from terratorch.prediction.outputs.types import OUTPUT_TYPES
from terratorch.prediction.scenes.planned_scene import PlannedScene, ScenePredictor, plan_scene
from terratorch.prediction.scenes.scene_stream import Outlet, run_scenes


def predict_in_memory(paths: Sequence[Path], predictor: ScenePredictor) -> list[Prediction]:
    """Predict files; they are read row of tiles by row of tiles.

    Args:
        paths: The files.
        predictor: What turns them into maps.

    Returns:
        The main layer of each, as a batch of one.

    Raises:
        DataError: If a file cannot be read.
        ConfigurationError: If a file is outside the area.
    """
    planned = []
    for path in paths:
        scene = plan_scene(path, predictor)
        if scene is None:
            raise ConfigurationError(
                f"area of '{path}'", "the image is outside of it", "Remove the image."
            )
        planned.append(scene)
    gather = OUTPUT_TYPES[predictor.output_type].handling.gather
    gathered = {scene.path: gather(scene.reference) for scene in planned}

    def take(scene: PlannedScene) -> TakeRows:
        return gathered[scene.path].take

    run_scenes(planned, predictor, Outlet(take, _fail, _ignore))
    return [gathered[path].prediction() for path in paths]


def _fail(_path: Path, error: DataError) -> None:
    raise error


def _ignore(_tiles: int) -> None:
    """Show no progress."""
