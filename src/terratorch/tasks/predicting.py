"""What tasks predict: the outputs that are asked for, as layers of one typed prediction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from lightning.pytorch import LightningModule
from torch import Tensor

from terratorch.contracts.outputs import Content, OutputValue, Raster, Table, content_of
from terratorch.contracts.prediction import (
    MAIN_LAYER,
    UNCERTAINTY_LAYER,
    Prediction,
    layers_of,
)
from terratorch.errors import ConfigurationError, did_you_mean
from terratorch.models.model import ModelOutput
from terratorch.tasks.batch_checks import filenames_of
from terratorch.tasks.prediction_checks import PredictionChecks
from terratorch.tasks.settings import TaskSettings
from terratorch.tiles.ensemble import Ensemble, Pooled
from terratorch.tiles.parameters import TiledInferenceParameters


class PredictingTask(LightningModule, ABC):
    """The part of a task that predicts.

    Attributes:
        layer_outputs: What each layer of a prediction holds, the main one first.
        ensemble: What joins the predictions of several views or models; None for one prediction.
    """

    output_type: ClassVar[type[OutputValue]] = Raster
    available_outputs: ClassVar[tuple[Content, ...]] = (Content.VALUES,)

    settings: TaskSettings
    prediction_checks: PredictionChecks
    layer_outputs: dict[str, Content]
    ensemble: Ensemble | None

    @abstractmethod
    def decide(self, output: Tensor) -> Tensor:
        """Return what the metrics and plots compare with the target: class ids, or values."""

    @abstractmethod
    def forward_batch(
        self,
        batch: Mapping[str, Any],
        tiles: TiledInferenceParameters | None = None,
        forward: Callable[..., ModelOutput] | None = None,
    ) -> ModelOutput:
        """Return the output for a batch, at once or tile by tile."""

    def forward_jointly(self, images: Any, **extras: Any) -> ModelOutput:
        """Return the output of the model, or what those for several views or models come to."""
        if self.ensemble is None:
            output: ModelOutput = self(images, **extras)
            return output
        return ModelOutput(self.ensemble(self, images, extras))

    def default_layers(self) -> dict[str, Content]:
        """Return what is predicted where no outputs are chosen, the main layer first."""
        return {MAIN_LAYER: self.available_outputs[0]}

    def choose_outputs(self, names: Sequence[str]) -> None:
        """Predict these outputs, whatever the arguments of the task say.

        Args:
            names: Some of `available_outputs`.

        Raises:
            ConfigurationError: If the task does not have one of them, or has layers of its own.
        """
        if type(self).prediction_layers is not PredictingTask.prediction_layers:
            raise ConfigurationError(
                "outputs",
                f"{type(self).__name__} has a method prediction_layers of its own, which says what "
                "is written",
                "Leave outputs out, or the method.",
            )
        if not names:
            raise ConfigurationError("outputs", "it is empty", "Leave it out, or name some.")
        available = [output.value for output in self.available_outputs]
        for name in names:
            if name not in available:
                listed = f"{type(self).__name__} has {', '.join(available)}."
                cure = f"{did_you_mean(name, available)} {listed}".strip()
                raise ConfigurationError("outputs", f"there are no {name!r}", cure)
        self.layer_outputs = layers_of([Content(name) for name in names])

    def output_layer(self, held: Content, output: Tensor) -> Tensor:
        """Return one of the available outputs of scores `(B, C, ...)` of the model."""
        if held is Content.PROBABILITIES:
            return output.softmax(dim=1)
        return output if held is Content.LOGITS else self.decide(output)

    def prediction_layers(self, output: Tensor) -> dict[str, Tensor]:
        """Return the layers of a prediction by name; the main one is `prediction`."""
        return {name: self.output_layer(held, output) for name, held in self.layer_outputs.items()}

    def outputs(self, output: Tensor) -> dict[str, OutputValue]:
        """Return the outputs of scores by name; the main one is `prediction`."""
        type_ = self.output_type
        assert issubclass(type_, Raster | Table), "a task of another type overrides this"
        overridden = type(self).prediction_layers is not PredictingTask.prediction_layers
        return {
            name: type_(
                values, content_of(name, values) if overridden else self.layer_outputs[name]
            )
            for name, values in self.prediction_layers(output).items()
        }

    def prediction_of(
        self, output: Tensor, filenames: Sequence[str], valid: Tensor | None = None
    ) -> Prediction:
        """Return the prediction of a batch from what the model gave.

        Args:
            output: `(B, C, ...)`, or `(B, H, W)` of a model of one value.
            filenames: The file of each image.
            valid: `(B, H, W)`, False where an image holds nodata.

        Raises:
            NotANumberError: If the model gave NaN or infinity; the message names the files.
        """
        of_classes = Content.PROBABILITIES in self.available_outputs
        self.prediction_checks.check_output(output, {"filename": filenames}, of_classes)
        pooled = Pooled(output) if self.ensemble is None else self.ensemble.split(output)
        outputs = self.outputs(pooled.scores)
        if pooled.uncertainty is not None:
            type_ = self.output_type
            assert issubclass(type_, Raster | Table), "only these are joined from several models"
            outputs[UNCERTAINTY_LAYER] = type_(pooled.uncertainty, Content.VALUES, pooled.bands)
        names = self.settings.class_names
        return Prediction(
            outputs=outputs,
            filenames=list(filenames),
            valid=valid,
            class_names=None if names is None else list(names),
        )

    def predict_step(
        self, batch: Mapping[str, Any], batch_idx: int, dataloader_idx: int = 0
    ) -> Prediction:
        """Return the prediction of a batch."""
        tiles = self.settings.tiled_inference_parameters
        datamodule = getattr(self._trainer, "datamodule", None)
        self.prediction_checks.check_scale(batch, getattr(datamodule, "input_spec", None))
        # In half precision probabilities would not sum to one, and files do not hold bfloat16.
        output = self.forward_batch(batch, tiles, self.forward_jointly).output.float()
        names = filenames_of(batch) or [
            f"image_{batch_idx}_{index}" for index in range(len(output))
        ]
        return self.prediction_of(output, names, batch.get("valid"))
