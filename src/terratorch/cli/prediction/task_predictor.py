"""A task that predicts files: what a process needs for it, and what workers elsewhere are sent."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import Precision
from torch import Tensor

from terratorch.cli.prediction.scene_options import SceneChoices
from terratorch.contracts.input_spec import InputSpec
from terratorch.contracts.prediction import Prediction
from terratorch.datasets.scenes.scene_reader import SceneReader
from terratorch.models.inputs import (
    inputs_of,
    on_device_of,
    resolve_inputs,
    spec_for_prediction,
)
from terratorch.prediction.maps.encoding import MapOptions
from terratorch.prediction.scenes.planned_scene import ScenePredictor
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.checkpoint import without_weights
from terratorch.tiles.engine import Facts

logger = logging.getLogger(__name__)


class TaskPredictor:
    """A task that predicts files instead of batches; it can be pickled.

    Args:
        task: The task.
        input_spec: How files are read.
        choices: What of scenes is predicted, and in which tiles.
        precision: What the Trainer does to the model and its input.
    """

    def __init__(
        self,
        task: TerraTorchTask,
        input_spec: InputSpec,
        choices: SceneChoices,
        precision: Precision,
    ) -> None:
        self.task = task
        facts = trained_facts(task)
        spec = input_spec if facts is None else input_spec.with_facts(facts)
        self.input_spec = spec_for_prediction(inputs_of(task.model), spec, choices.facts.names)
        self.choices, self.precision = choices, precision

    @contextmanager
    def on(self, device: torch.device) -> Iterator[ScenePredictor]:
        """Give what turns files into maps where no Trainer has prepared the task.

        Args:
            device: Where it shall run.
        """
        self.task.to(device).eval()
        with self.precision.predict_step_context():
            yield self.predictor(device)

    def predictor(self, device: torch.device, run: str = "") -> ScenePredictor:
        """Return what turns files into maps.

        Args:
            device: Where the task is.
            run: Names what the maps are made with.
        """
        choices = self.choices
        return ScenePredictor(
            open_reader=self._open,
            forward=self._scores,
            decide=self._prediction,
            device=device,
            tiles=choices.tiles,
            chip=self.task.chip_size,
            batch_size=choices.batch_size,
            tile_batch=choices.tile_batch,
            run=run,
            limits=choices.limits,
        )

    def _open(self, path: Path) -> SceneReader:
        check = partial(self.task.prediction_checks.check_scale, input_spec=self.input_spec)
        reader = SceneReader(path, self.input_spec, check, self.choices.facts)
        with ExitStack() as unusable:
            unusable.callback(reader.close)
            self._check_facts(reader)
            unusable.pop_all()
        return reader

    def _check_facts(self, reader: SceneReader) -> None:
        """Check that what the model needs is known of an image, and log where its date is from."""
        facts = {**reader.facts(), "filename": [str(reader.path)]}
        inputs = resolve_inputs(inputs_of(self.task.model), self.input_spec, facts)
        if "temporal_coords" in inputs:
            logger.info("%s: its date is from: %s", reader.path, reader.date_source)

    def _scores(self, tiles: Any, facts: Facts) -> Any:
        inputs = resolve_inputs(inputs_of(self.task.model), self.input_spec, facts)
        tiles = self.precision.convert_input(tiles)
        return self.task.forward_jointly(tiles, **on_device_of(tiles, inputs)).output

    def _prediction(self, scores: Tensor, filename: str) -> Prediction:
        return self.task.prediction_of(scores, [filename])


def trained_facts(task: TerraTorchTask) -> Iterable[str] | None:
    """Return the facts that a task was trained with; None if that is not known."""
    if task.fitted_facts is not None or task.input_spec is None:
        return task.fitted_facts
    return task.input_spec.facts


_SAMPLED = 256  # values of each tensor that tell two trainings apart


def run_name(files: TaskPredictor, options: MapOptions) -> str:
    """Return what tells maps of these weights and settings from others.

    Args:
        files: What predicts files.
        options: How maps are stored.
    """
    task = files.task
    digest = hashlib.sha256()
    for part in (
        type(task).__name__,
        task.settings.model_factory,
        without_weights(task.hparams.get("model_args") or {}),
        files.precision.precision,
        files.input_spec.to_dict(),
        files.choices.name,
        task.chip_size,
        task.layer_outputs,
        task.settings.class_names,
        "" if task.ensemble is None else task.ensemble.extra_repr(),
        options,
    ):
        digest.update(repr(part).encode())
    for name, value in task.state_dict().items():
        flat = value.detach().flatten()
        sample = flat[:: max(len(flat) // _SAMPLED, 1)]
        digest.update(name.encode())
        digest.update(sample.to("cpu", torch.float64).numpy().tobytes())
    return digest.hexdigest()[:16]
