"""The engine: reads tiles, runs the model on batches of them, and blends what it gives.

Tiles come scene by scene and row by row, and a batch may span scenes. A canvas is notified of
finished rows, so that memory depends on the rows of tiles and not on the scene.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from terratorch.contracts.images import Images, each_image, joined
from terratorch.errors import DataError
from terratorch.tiles.blend import BlendWeights, OwnerWeights
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.plan import Tile, TilePlan
from terratorch.tiles.scene import Scene
from terratorch.tiles.sink import TileWeights
from terratorch.tiles.threads import read_ahead

Facts = Mapping[str, Images]
"""What is known of the tiles of a batch, by name; see `terratorch.contracts.facts`."""

Forward = Callable[[Images, Facts], Any]


@dataclass(frozen=True)
class _Job:
    scene: Scene
    tile: Tile


@dataclass(frozen=True)
class _Tiles:
    """What was read of some tiles.

    Attributes:
        images: What the model sees of them.
        facts: What is known of them.
    """

    images: Images
    facts: Facts

    def to(self, device: torch.device | None) -> _Tiles:
        move = partial(Tensor.to, device=device, non_blocking=True)
        facts = {name: each_image(value, move) for name, value in self.facts.items()}
        return _Tiles(each_image(self.images, move), facts)


def tile_weights(
    plan: TilePlan, parameters: TiledInferenceParameters, device: torch.device
) -> TileWeights:
    """Return what joins the tiles of a plan: averaging weights, or masks of owned pixels."""
    if parameters.average_patches:
        return BlendWeights(plan, parameters.blend_overlaps, device)
    return OwnerWeights(plan, device)


def run_tiles(
    scenes: Iterable[Scene],
    forward: Forward,
    batch_size: int,
    device: torch.device | None = None,
    on_tiles: Callable[[int], None] | None = None,
    ahead: int = 0,
) -> None:
    """Run a model over the tiles of scenes and blend its predictions into their canvases.

    Args:
        scenes: The scenes, one after the other.
        forward: Maps a batch of tiles and their facts to what the joiners of the scenes take, such
            as `(n, C, h, w)`.
        batch_size: Tiles in a forward pass, at most.
        device: Where the model runs; None for where the tiles are.
        on_tiles: Called with the number of tiles done after each batch, including those of failed
            scenes, but not those that only fill a batch.
        ahead: Batches that a thread reads while the model runs; 0 reads without one.
    """
    with (
        closing(_loaded(scenes, batch_size)) as loaded,
        closing(read_ahead(loaded, ahead)) as batches,  # first of the two: its thread reads
    ):
        for count, jobs, read in batches:
            if read is not None:
                _run_batch(jobs, read.to(device), forward)
            del read  # free the batch before waiting for the next
            if on_tiles is not None:
                on_tiles(count)


def _run_batch(jobs: list[_Job], batch: _Tiles, forward: Forward) -> None:
    tiles = [job.tile for job in jobs]
    outputs = jobs[0].scene.joiner.split(forward(batch.images, batch.facts), tiles)
    del batch
    for job, output in zip(jobs, outputs, strict=True):
        if job.scene.needs(job.tile):
            job.scene.joiner.add(job.scene, job.tile, output)


def _loaded(
    scenes: Iterable[Scene], batch_size: int
) -> Generator[tuple[int, list[_Job], _Tiles | None]]:
    """Yield how many tiles are done after a batch, those of it to run, and what was read of them.

    Tiles of scenes that failed do not run; without any others, nothing is read.
    """
    begun: set[Scene] = set()
    try:
        for jobs in _batches(scenes, batch_size):
            begun.update(job.scene for job in jobs)
            is_needed = any(job.scene.needs(job.tile) for job in jobs)
            reading = jobs if is_needed else ()
            read = [(job, tiles) for job in reading if (tiles := _read(job)) is not None]
            for job in jobs:
                if (job.tile.row, job.tile.column) == job.scene.last:
                    job.scene.source.close()
                    begun.discard(job.scene)
            count = sum(job.scene.touches(job.tile) for job in jobs)
            batch = _collate([tiles for _, tiles in read]) if read else None
            read_jobs = [job for job, _ in read]
            del read
            yield count, read_jobs, batch
            del batch  # free it before reading the next
    finally:
        for scene in begun:
            scene.source.close()


def _read(job: _Job) -> _Tiles | None:
    scene = job.scene
    if scene.failed:
        return None
    try:
        return _Tiles(scene.source.read(job.tile), scene.source.facts(job.tile))
    except DataError as error:
        if scene.on_failure is None:
            raise
        scene.failed = True
        scene.source.close()
        scene.on_failure(error)
        return None


def _batches(scenes: Iterable[Scene], batch_size: int) -> Iterator[list[_Job]]:
    """Yield tiles of one size, at most `batch_size` at a time, across rows and scenes."""
    waiting: list[_Job] = []
    for job in (_Job(scene, tile) for scene in scenes for tile in scene.tiles()):
        size = (job.tile.height, job.tile.width)
        if waiting and (
            len(waiting) == batch_size or size != (waiting[0].tile.height, waiting[0].tile.width)
        ):
            yield waiting
            waiting = []
        waiting.append(job)
    if waiting:
        yield waiting


def _collate(tiles: Sequence[_Tiles]) -> _Tiles:
    """Join batches of one, which copies each tile once."""
    facts = {name: joined([tile.facts[name] for tile in tiles]) for name in tiles[0].facts}
    return _Tiles(joined([tile.images for tile in tiles]), facts)
