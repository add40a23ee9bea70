"""Run one segment of a prediction: what a worker takes, and what it returns."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
import torch
from torch import Tensor

from terratorch.errors import DataError, TerraTorchError
from terratorch.prediction.outputs.base import FinishedRows
from terratorch.prediction.scenes.planned_scene import PlannedScene, ScenePredictor
from terratorch.prediction.scenes.scene_stream import BATCHES_AHEAD, GDAL_CACHE, SceneStream
from terratorch.prediction.spread.segments import Part
from terratorch.tiles.engine import run_tiles
from terratorch.tiles.scene import Scene


@dataclass(frozen=True)
class Job:
    """A segment as a worker takes it.

    Attributes:
        parts: What it takes of each scene.
        scenes: The scene of each part.
        virtual_files: Files that only the process which sends the job may have, with their content.
    """

    parts: tuple[Part, ...]
    scenes: tuple[PlannedScene, ...]
    virtual_files: Mapping[Path, bytes] = field(default_factory=dict)


def _packed(values: Tensor) -> Tensor:
    """Return integers in the smallest dtype that holds them, as workers send them."""
    if values.is_floating_point() or values.dtype == torch.bool or not values.numel():
        return values
    ends = (np.min_scalar_type(int(end)) for end in values.aminmax())
    dtype = np.result_type(*ends)
    return torch.from_numpy(values.numpy().astype(dtype))


@dataclass(frozen=True)
class PackedRows:
    """Finished rows of a scene as workers send them.

    Attributes:
        scene: Index of the scene.
        rows: The rows, integers in small dtypes.
    """

    scene: int
    rows: FinishedRows

    @classmethod
    def of(cls, scene: int, rows: FinishedRows) -> PackedRows:
        """Pack rows."""
        outputs = {name: output.map(_packed) for name, output in rows.prediction.outputs.items()}
        return cls(scene, replace(rows, prediction=replace(rows.prediction, outputs=outputs)))


@dataclass(frozen=True)
class Message:
    """A message for the log.

    Attributes:
        logger: The name of the logger.
        level: Its level.
        template: The message without its arguments.
        text: The message.
    """

    logger: str
    level: int
    template: str
    text: str


@dataclass
class Outcome:
    """The outcome of a segment.

    Attributes:
        rows: The predicted rows, in order.
        failures: Scenes without a map, by index, and why.
        error: A mistake of the user, which ends the run.
        messages: What to log.
    """

    rows: list[PackedRows] = field(default_factory=list)
    failures: dict[int, DataError] = field(default_factory=dict)
    error: TerraTorchError | None = None
    messages: list[Message] = field(default_factory=list)


def run_job(job: Job, predictor: ScenePredictor) -> Outcome:
    """Run a segment in a worker, and return its messages for the log in the outcome.

    Args:
        job: The segment.
        predictor: What turns files into maps.
    """
    outcome = Outcome()
    if not job.scenes:
        return outcome
    listener = _Listener(outcome.messages)
    log = logging.getLogger("terratorch")
    log.addHandler(listener)
    try:
        with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE), torch.no_grad():
            run_tiles(
                _scenes(job, predictor, outcome),
                predictor.forward,
                job.scenes[0].parameters.tiles_at_once,
                predictor.device,
                ahead=BATCHES_AHEAD,
            )
    except TerraTorchError as error:
        outcome.error = error
    finally:
        log.removeHandler(listener)
    return outcome


def _scenes(job: Job, predictor: ScenePredictor, outcome: Outcome) -> Iterator[Scene]:
    stream = SceneStream(predictor)
    limits = predictor.limits

    def take(index: int, rows: FinishedRows) -> None:
        outcome.rows.append(PackedRows.of(index, rows))

    def fail(index: int, _path: Path, error: DataError) -> None:
        outcome.failures[index] = error

    for part, planned in zip(job.parts, job.scenes, strict=True):
        # Masks of pixels are not sent, but made here.
        wanted = None if limits is None else limits.of(planned.reference)
        yield stream.scene(
            replace(planned, wanted=wanted),
            partial(take, part.scene),
            partial(fail, part.scene),
            part.rows,
        )


class _Listener(logging.Handler):
    def __init__(self, messages: list[Message]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(
            Message(record.name, record.levelno, str(record.msg), record.getMessage())
        )
