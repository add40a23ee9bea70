"""Batch sizes of scenes, where they are to be found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from terratorch.contracts.images import Images
from terratorch.errors import DataError
from terratorch.prediction.scenes.strip import ValidRows
from terratorch.tiles.batch_size import find_batch_size
from terratorch.tiles.engine import Facts
from terratorch.tiles.parameters import AUTO

if TYPE_CHECKING:
    from terratorch.prediction.scenes.planned_scene import PlannedScene, ScenePredictor


def with_batch_sizes(
    planned: Sequence[PlannedScene], predictor: ScenePredictor
) -> list[PlannedScene]:
    """Return scenes of which each has a number for its batch size.

    Args:
        planned: The scenes; one whose size of tiles is new is read and run for it.
        predictor: What turns files into maps.
    """
    counts: dict[tuple[int, int], int] = {}
    samples: dict[tuple[int, int], tuple[Images, Facts]] = {}
    for scene in planned:
        if scene.parameters.batch_size != AUTO:
            continue
        size = scene.plan.tile_size
        counts[size] = counts.get(size, 0) + scene.count
        if size not in samples:
            sample = _sample(scene, predictor)
            if sample is not None:
                samples[size] = sample
    found = {
        size: find_batch_size(predictor.forward, *sample, predictor.device, counts[size])
        for size, sample in samples.items()
    }
    return [_with_batch_size(scene, found) for scene in planned]


def _with_batch_size(scene: PlannedScene, found: dict[tuple[int, int], int]) -> PlannedScene:
    if scene.parameters.batch_size != AUTO:
        return scene
    batch_size = found.get(scene.plan.tile_size, 1)
    return replace(scene, parameters=replace(scene.parameters, batch_size=batch_size))


def _sample(scene: PlannedScene, predictor: ScenePredictor) -> tuple[Images, Facts] | None:
    """Return the first tile of a scene; None where it cannot be read, which the run will say."""
    tiles = (tile for row in range(len(scene.plan.rows)) for tile in scene.plan.tile_row(row))
    first = next(tile for tile in tiles if scene.wants(tile))
    source = scene.source(predictor, ValidRows())
    try:
        return source.read(first), source.facts(first)
    except DataError:
        return None
    finally:
        source.close()
