"""The base of objectives: targets, loss, metrics and outputs of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from terratorch.contracts.outputs import Content, OutputValue, Raster, Table
from terratorch.contracts.prediction import MAIN_LAYER, Prediction, layers_of
from terratorch.errors import ConfigurationError, did_you_mean
from terratorch.models.model import ModelOutput
from terratorch.tasks.settings import TaskSettings
from terratorch.tasks.step_result import Batch, RawTarget, Returned, StepResult

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


class Objective(ABC):
    """What a task learns and predicts.

    An objective holds settings, but neither a model nor weights, and knows no Trainer.

    Args:
        settings: The settings of the task.

    Attributes:
        layer_outputs: What each layer of a prediction holds, the main one first.
    """

    # What a model factory builds a head for; None if the model needs to be passed.
    task: ClassVar[str | None] = None
    output_type: ClassVar[type[OutputValue]] = Raster
    available_outputs: ClassVar[tuple[Content, ...]] = (Content.VALUES,)
    # Pixels of the image along a side of a pixel of the outputs.
    patch_size: int = 1

    def __init__(self, settings: TaskSettings) -> None:
        self.settings = settings
        self.check_settings()
        self.layer_outputs = self.default_layers()

    def check_settings(self) -> None:  # noqa: B027 # most have something to check
        """Raise a `ConfigurationError` if a setting does not fit this objective."""

    @property
    def num_classes(self) -> int | None:
        """The number of classes; None if the target is not a class id."""
        return None

    # Learning

    def read_targets(self, batch: Batch) -> list[RawTarget]:
        """Return the raw targets of a batch; empty if the model computes its own."""
        return []

    def model_inputs(self, batch: Batch) -> dict[str, object]:
        """Return what the model takes of the targets in training, by keyword of its `forward`."""
        return {}

    @abstractmethod
    def build_criterion(self) -> nn.Module:
        """Return the loss."""

    @abstractmethod
    def learn(
        self, output: Returned, batch: Batch, criterion: nn.Module, counts: Sequence[bool]
    ) -> StepResult:
        """Return the losses of a batch, and what the metrics compare.

        Args:
            output: What the model returned.
            batch: The batch.
            criterion: What `build_criterion` returned; in training mode in training.
            counts: Whether any value of each raw target counts.
        """

    @abstractmethod
    def metrics(self) -> MetricCollection:
        """Return the metrics under their public names, without the prefix of a stage."""

    # Prediction

    def scores(self, output: Returned) -> Tensor:
        """Return what the model gave as one tensor `(B, C, ...)`, as tiles are joined."""
        scores: Tensor = output.output
        return scores

    def output_of(self, scores: Tensor) -> Returned:
        """Return scores, which tiles were joined to, in the form of the model's output."""
        return ModelOutput(scores)

    @abstractmethod
    def decide(self, scores: Tensor) -> Tensor:
        """Return class ids or values from scores."""

    def layer(self, content: Content, scores: Tensor) -> Tensor:
        """Return one of the available outputs."""
        if content is Content.PROBABILITIES:
            return scores.softmax(dim=1)
        return scores if content is Content.LOGITS else self.decide(scores)

    def outputs(self, scores: Tensor) -> dict[str, OutputValue]:
        """Return the outputs of a prediction by name; the main one is `prediction`."""
        type_ = self.output_type
        assert issubclass(type_, Raster | Table), "an objective of another type overrides this"
        return {
            name: type_(self.layer(content, scores), content)
            for name, content in self.layer_outputs.items()
        }

    def default_layers(self) -> dict[str, Content]:
        """Return what is predicted unless outputs are chosen, the main layer first."""
        return {MAIN_LAYER: self.available_outputs[0]}

    def choose_outputs(self, names: Sequence[str]) -> None:
        """Predict these outputs, instead of those of the settings.

        Raises:
            ConfigurationError: If one is not available, or `outputs` is overridden.
        """
        available = [content.value for content in self.available_outputs]
        if type(self).outputs is not Objective.outputs and sorted(names) != sorted(available):
            raise ConfigurationError(
                "outputs",
                f"{type(self).__name__} overrides outputs(), which decides what is written",
                "Remove outputs, or the method.",
            )
        if not names:
            raise ConfigurationError("outputs", "it is empty", "Name some, or remove it.")
        for name in names:
            if name not in available:
                cure = f"{did_you_mean(name, available)} Outputs: {', '.join(available)}.".strip()
                raise ConfigurationError("outputs", f"there are no {name!r}", cure)
        self.layer_outputs = layers_of([Content(name) for name in names])

    def prediction(
        self, scores: Tensor, filenames: Sequence[str], valid: Tensor | None = None
    ) -> Prediction:
        """Return the prediction of a batch from scores.

        Args:
            scores: `(B, C, ...)`, or `(B, H, W)` from a model of one value.
            filenames: The file of each image.
            valid: `(B, H, W)`, False for pixels of nodata.
        """
        names = self.settings.classes.names
        return Prediction(
            outputs=self.outputs(scores),
            filenames=list(filenames),
            valid=valid,
            class_names=None if names is None else list(names),
        )
