"""What objectives over classes share: their number and names, losses and layers."""

from __future__ import annotations

import logging
from typing import ClassVar

from torch import Tensor, nn

from terratorch.contracts.outputs import Content
from terratorch.contracts.prediction import MAIN_LAYER
from terratorch.errors import ConfigurationError, did_you_mean
from terratorch.losses.classes import (
    CLASS_LOSSES,
    WEIGHTED,
    ClassLoss,
    check_class_weights,
)
from terratorch.tasks.batch_checks import RESCALE, shapes_differ
from terratorch.tasks.objectives.supervised import SupervisedObjective
from terratorch.tasks.settings import PATH, ClassSettings
from terratorch.tasks.step_result import Batch

logger = logging.getLogger(__name__)

_FEWEST_CLASSES = 2
_LAYERS = (MAIN_LAYER, Content.LOGITS.value, Content.PROBABILITIES.value)


class ClassObjective(SupervisedObjective):
    """The base of objectives that choose one of several classes."""

    loss_names: ClassVar[tuple[str, ...]] = tuple(CLASS_LOSSES)
    default_loss: ClassVar[str] = "ce"
    available_outputs: ClassVar[tuple[Content, ...]] = (
        Content.CLASSES,
        Content.PROBABILITIES,
        Content.LOGITS,
    )

    def check_settings(self) -> None:
        """Check the number of classes, their names and weights, and the layers."""
        check_classes(self.settings.classes)
        _check_layers(self.settings.outputs.layers)

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        count = self.settings.classes.count
        assert count is not None, "check_settings requires it"
        return count

    def build_criterion(self) -> nn.Module:
        """Return the loss, and warn if it does not use the class weights."""
        criterion = super().build_criterion()
        names = {part.name for part in criterion.modules() if isinstance(part, ClassLoss)}
        if self.settings.classes.weights is not None and WEIGHTED not in names:
            logger.warning("%s.class_weights: only the loss 'ce' uses them", PATH)
        return criterion

    def build_loss(self, name: str) -> nn.Module:
        """Return the loss of this name."""
        return ClassLoss(name, self.settings.loss.ignore_index, self.settings.classes.weights)

    def targets(self, batch: Batch, scores: Tensor) -> Tensor:
        """Return class ids `(B, ...)` that fit scores `(B, C, ...)`."""
        target: Tensor = batch[self.target_key]
        if target.ndim == scores.ndim and target.shape[1] == 1:
            target = target.squeeze(1)
        if scores.ndim < 2 or scores.shape[1] != self.num_classes:
            raise ConfigurationError(
                f"{PATH}.model_args.num_classes",
                f"{self.num_classes}, but the model gives scores {tuple(scores.shape)}",
                "The second size must be the number of classes.",
            )
        if (scores.shape[0], *scores.shape[2:]) != target.shape:
            one_hot = target.shape == scores.shape
            cure = "Give ids of classes, not a value for each class." if one_hot else RESCALE
            raise shapes_differ(self.target_key, target, scores, cure)
        return target.long()

    def decide(self, scores: Tensor) -> Tensor:
        """Return the most probable class of scores `(B, C, ...)`."""
        # Several times as fast as argmax on a processor.
        return scores.max(dim=1).indices

    def default_layers(self) -> dict[str, Content]:
        """Return the layers of the settings; without the main one, the first becomes the main."""
        outputs = self.settings.outputs
        main = Content.CLASSES if outputs.most_probable else Content.LOGITS
        layers = {name: main if name == MAIN_LAYER else Content(name) for name in outputs.layers}
        if MAIN_LAYER not in layers:
            layers = {MAIN_LAYER: layers.pop(outputs.layers[0]), **layers}
        return layers


def check_classes(classes: ClassSettings) -> None:
    """Raise a `ConfigurationError` unless count, names and weights of classes agree."""
    count, names = classes.count, classes.names
    subject = f"{PATH}.model_args.num_classes"
    if not isinstance(count, int) or count < _FEWEST_CLASSES:
        raise ConfigurationError(
            subject,
            f"{count!r}" if count is not None else "it is missing",
            "Set it to the number of classes of the labels: at least 2, as the background counts "
            "as a class.",
        )
    if names is not None and len(names) != count:
        raise ConfigurationError(
            f"{PATH}.class_names",
            f"{len(names)} names for {count} classes ({subject})",
            "Give one name for each class, in the order of their ids.",
        )
    check_class_weights(classes.weights, count)


def _check_layers(names: tuple[str, ...]) -> None:
    subject = f"{PATH}.output_on_inference"
    if not names:
        raise ConfigurationError(subject, "it is empty", f"Use some of {', '.join(_LAYERS)}.")
    for name in names:
        if name not in _LAYERS:
            cure = f"{did_you_mean(name, _LAYERS)} Use some of {', '.join(_LAYERS)}.".strip()
            raise ConfigurationError(subject, f"{name!r} is not a layer", cure)
