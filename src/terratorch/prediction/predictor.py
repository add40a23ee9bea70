"""A trained model that predicts files: model, objective, input, device, precision and tiles."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from terratorch.contracts.facts import read_batch
from terratorch.contracts.images import Images, each_image
from terratorch.contracts.input_spec import InputSpec
from terratorch.contracts.model_description import description_of
from terratorch.contracts.outputs import Content, OutputValue
from terratorch.contracts.prediction import Prediction
from terratorch.datasets.facts import GivenFacts
from terratorch.datasets.scenes.prediction_images import PredictionImages
from terratorch.datasets.scenes.scene_files import ModalityFiles
from terratorch.datasets.scenes.scene_reader import SceneReader
from terratorch.errors import ConfigurationError
from terratorch.models.config import without_weights
from terratorch.models.inputs import (
    inputs_of,
    on_device_of,
    resolve_inputs,
    spec_for_prediction,
)
from terratorch.prediction.batches import read_batches
from terratorch.prediction.device import Precision, find_devices
from terratorch.prediction.files import expand_scenes
from terratorch.prediction.maps.encoding import MapOptions
from terratorch.prediction.products.stac import Provenance
from terratorch.prediction.scene_choices import SceneChoices
from terratorch.prediction.scenes.in_memory import predict_in_memory
from terratorch.prediction.scenes.planned_scene import ScenePredictor
from terratorch.tasks.checkpoint import CheckpointInfo, read_checkpoint
from terratorch.tasks.objectives.objective import Objective
from terratorch.tasks.plain_values import to_plain
from terratorch.tasks.predicting import as_output, prediction_of
from terratorch.tasks.prediction_checks import check_scale
from terratorch.tasks.settings import TaskSettings
from terratorch.tiles.batch_size import SplittingForward
from terratorch.tiles.ensemble import Ensemble
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.tiling import ChipSize

logger = logging.getLogger(__name__)

CPU = torch.device("cpu")
_SAMPLED = 256  # values of each tensor that identify the weights


@dataclass(eq=False)  # a key of messages that are logged once
class Predictor:
    """A trained model, with all that is needed to predict files. It can be pickled.

    Attributes:
        model: Maps images to scores.
        objective: Turns scores into outputs.
        input_spec: How files are read and normalised.
        chip: The chips that the model is for, if they are known.
        tiles: How scenes are cut, if the task sets it.
        device: Where the model runs.
        precision: The number type that it runs in.
        ensemble: Combines the scores of several views or models; None for one prediction.
        given_facts: Dates and location that replace those of the files.
        task: The name of the task, for messages and STAC items.
        model_args: What the model was built from, which identifies it in the tags of its maps.
        checkpoints: The files of the weights.

    Examples:
        >>> predictor = Predictor.from_checkpoint("best.ckpt", device="cpu")  # doctest: +SKIP
    """

    model: nn.Module
    objective: Objective
    input_spec: InputSpec
    chip: ChipSize | None = None
    tiles: TiledInferenceParameters | None = None
    device: torch.device = CPU
    precision: Precision = field(default_factory=Precision)
    ensemble: Ensemble | None = None
    given_facts: GivenFacts = field(default_factory=GivenFacts)
    task: str = "model"
    model_args: Mapping[str, Any] = field(default_factory=dict)
    checkpoints: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        names = self.given_facts.names
        self._declared = inputs_of(self.model)
        self._forward = SplittingForward(self.scores)
        self._spec = spec_for_prediction(self._declared, self.input_spec, names)
        self.to(self.device)

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: str | Path | CheckpointInfo,
        device: str | torch.device | None = None,
        precision: str | int | None = None,
        model: nn.Module | None = None,
    ) -> Predictor:
        """Build it from a checkpoint alone.

        Args:
            checkpoint: The file, or what was read from it.
            device: Where the model runs; None takes the first GPU, else the CPU.
            precision: Such as `bf16-mixed`; None for 32 bits.
            model: The model, if it was passed as an object when it was trained.

        Raises:
            ConfigurationError: If the checkpoint lacks the input of the model.
            WeightsError: If it is not a checkpoint of a task.
        """
        if not isinstance(checkpoint, CheckpointInfo):
            checkpoint = read_checkpoint(checkpoint)
        input_spec = trained_input(checkpoint)
        trained = checkpoint.build_trained(model)
        return cls(
            model=trained.model,
            objective=trained.objective,
            input_spec=input_spec,
            chip=trained.chip_size,
            tiles=trained.objective.settings.tiles.parameters,
            device=find_devices()[0] if device is None else torch.device(device),
            precision=Precision.parse(precision),
            task=checkpoint.task.rpartition(".")[2],
            model_args=_model_args(trained.objective.settings),
            checkpoints=(checkpoint.path,),
        )

    @classmethod
    def from_task(
        cls,
        task: Any,
        input_spec: InputSpec,
        device: torch.device = CPU,
        precision: Precision | None = None,
        checkpoints: tuple[Path, ...] = (),
    ) -> Predictor:
        """Build it from a task with trained weights.

        Args:
            task: The task.
            input_spec: How files are read and normalised.
            device: Where the model runs.
            precision: The number type that it runs in; None for 32 bits.
            checkpoints: The files of the weights.
        """
        settings = task.settings
        facts = task.fitted_facts
        if facts is None and task.input_spec is not None:
            facts = task.input_spec.facts
        if facts is not None:
            input_spec = input_spec.with_facts(facts)
        return cls(
            model=task.model,
            objective=task.objective,
            input_spec=input_spec,
            chip=task.chip_size,
            tiles=settings.tiles.parameters,
            device=device,
            precision=precision or Precision(),
            ensemble=task.ensemble,
            task=type(task).__name__,
            model_args=_model_args(settings),
            checkpoints=checkpoints,
        )

    @property
    def output_type(self) -> type[OutputValue]:
        """The type of the outputs."""
        return self.objective.output_type

    @property
    def predicts_images_whole(self) -> bool:
        """Whether an output describes an image as a whole, so that scenes are not cut."""
        return self.output_type.per_image

    @property
    def outputs(self) -> list[Content]:
        """The outputs that are written, the main one first."""
        return list(self.objective.layer_outputs.values())

    def to(self, device: torch.device) -> Predictor:
        """Move the models to a device, ready to predict."""
        self.device = device
        for part in (self.model, self.ensemble):
            if part is not None:
                part.to(device).eval()
                self.precision.convert_model(part)
        return self

    @contextmanager
    def scenes_on(self, choices: SceneChoices, device: torch.device) -> Iterator[ScenePredictor]:
        """Move the models to a device and yield what predicts scenes there."""
        yield self.to(device).for_scenes(choices)

    def for_scenes(self, choices: SceneChoices, run: str = "") -> ScenePredictor:
        """Return what turns scenes into maps.

        Args:
            choices: What part of the scenes is predicted, and in which tiles.
            run: Identifies the weights and options in the tags of the maps.
        """
        return ScenePredictor(
            open_reader=self._open,
            forward=self._forward,
            decide=self._decide,
            device=self.device,
            tiles=choices.tiles,
            chip=self.chip,
            batch_size=choices.batch_size,
            tile_batch=choices.tile_batch,
            run=run,
            limits=choices.limits,
            output_type=self.output_type,
            patch_size=self.objective.patch_size,
        )

    def scores(self, images: Images, facts: Mapping[str, object]) -> Tensor:
        """Return the scores of a batch of normalised images on the device.

        Args:
            images: The batch.
            facts: What is known of it; the model gets those that it declares.
        """
        inputs = on_device_of(images, resolve_inputs(self._declared, self._spec, facts))
        with torch.no_grad(), self.precision.autocast(self.device):
            images = self.precision.convert_images(images)
            if self.ensemble is not None:
                return self.ensemble(self.model, images, inputs)
            output = self.model(images, **inputs)
        return self.objective.scores(as_output(output))

    def predict_in_memory(
        self, scenes: Sequence[str | Path | ModalityFiles], batch_size: int = 1
    ) -> list[Prediction]:
        """Predict files and return their main outputs, without writing maps.

        Args:
            scenes: The files.
            batch_size: Images per forward pass if they run whole.

        Returns:
            A batch of one for each file; one for each batch if images are predicted whole.

        Raises:
            DataError: If a file cannot be read.
        """
        images = PredictionImages(expand_scenes(scenes), self.input_spec)
        for error in images.failures.values():
            raise error
        if self.predicts_images_whole:
            batches = self.read(images.paths, batch_size)
            return [self.predict_batch(batch).cpu() for batch in batches]
        choices = SceneChoices(self.tiles, batch_size, None, None)
        return predict_in_memory(images.paths, self.for_scenes(choices))

    def read(
        self, paths: Sequence[Path], batch_size: int = 1, num_workers: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield batches of images for `predict_batch`."""
        return read_batches(paths, self._spec, batch_size, num_workers, self.given_facts)

    def predict_batch(self, batch: Mapping[str, Any]) -> Prediction:
        """Return the prediction of a batch of images as data sets read them, not normalised.

        Args:
            batch: `image` `(B, C, ...)` or images by modality, `filename`, and `valid` `(B, H, W)`.
        """
        parts = read_batch(batch)
        images = each_image(parts.images, partial(Tensor.to, device=self.device))
        images = self.input_spec.normalize(images, in_place=True)
        self._check_scale({**batch, "image": images})
        scores = self.scores(images, parts.facts).float()
        return self._prediction(scores, batch["filename"], batch["valid"])

    def provenance(self) -> Provenance:
        """Return how its maps are made, for STAC items."""
        files = tuple(path for path in self.checkpoints if path.is_file())
        described = description_of(self.model)
        model = None if described is None else described.backbone
        return Provenance(task=self.task, model=model, checkpoints=files)

    def run_name(self, choices: SceneChoices, options: MapOptions) -> str:
        """Return a hash of everything that affects a map: weights, input, tiles and format."""
        digest = hashlib.sha256()
        objective = self.objective
        for part in (
            self.task,
            dict(self.model_args),
            self.precision.name,
            self.input_spec.to_dict(),
            choices.name,
            self.given_facts,
            self.chip,
            objective.layer_outputs,
            objective.settings.classes.names,
            "" if self.ensemble is None else self.ensemble.extra_repr(),
            options,
        ):
            digest.update(repr(part).encode())
        for model in (self.model, self.ensemble):
            for name, value in () if model is None else model.state_dict().items():
                flat = value.detach().flatten()
                sample = flat[:: max(len(flat) // _SAMPLED, 1)]
                digest.update(name.encode())
                digest.update(sample.to("cpu", torch.float64).numpy().tobytes())
        return digest.hexdigest()[:16]

    def _open(self, path: Path) -> SceneReader:
        reader = SceneReader(path, self._spec, self._check_scale, self.given_facts)
        with ExitStack() as unusable:
            unusable.callback(reader.close)
            self._check_facts(reader)
            unusable.pop_all()
        return reader

    def _check_facts(self, reader: SceneReader) -> None:
        """Check that the inputs of the model are known for a file, and log its date's source."""
        facts = {**reader.facts(), "filename": [str(reader.path)]}
        if "temporal_coords" in resolve_inputs(self._declared, self._spec, facts):
            logger.info("%s: its date is from: %s", reader.path, reader.date_source)

    def _check_scale(self, batch: Mapping[str, Any]) -> None:
        check_scale(batch, self.input_spec, owner=self)

    def _decide(self, scores: Tensor, filename: str) -> Prediction:
        return self._prediction(scores, [filename], None)

    def _prediction(self, scores: Tensor, filenames: list[str], valid: Tensor | None) -> Prediction:
        return prediction_of(self.objective, scores, filenames, valid, self.ensemble)


def _model_args(settings: TaskSettings) -> dict[str, Any]:
    """Return what a model was built from, without its pretrained weights."""
    arguments = without_weights(settings.model.arguments)
    plain = {name: to_plain(value, name) for name, value in arguments.items()}
    return {"model_factory": settings.model.factory, **plain}


def trained_input(checkpoint: CheckpointInfo) -> InputSpec:
    """Return how files are read for the model of a checkpoint.

    Raises:
        ConfigurationError: If the checkpoint does not store it.
    """
    if checkpoint.input is None:
        raise ConfigurationError(
            f"ckpt_path '{checkpoint.path}'",
            "does not contain the bands and means that its model was trained with",
            "Predict with the configuration: terratorch predict -c CONFIG --ckpt_path FILE ...",
        )
    return checkpoint.input
