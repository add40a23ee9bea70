"""What tasks over classes share: the number of classes, their names, losses and layers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from terratorch.contracts.outputs import Content
from terratorch.contracts.prediction import MAIN_LAYER
from terratorch.errors import ConfigurationError, did_you_mean
from terratorch.losses.classes import (
    CLASS_LOSSES,
    CrossEntropyLoss,
    build_class_loss,
    check_class_weights,
)
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.batch_checks import RESCALE, shapes_differ
from terratorch.tasks.settings import PATH

logger = logging.getLogger(__name__)

_FEWEST_CLASSES = 2
_LAYERS = (MAIN_LAYER, Content.LOGITS.value, Content.PROBABILITIES.value)


class ClassTask(TerraTorchTask):
    """The base of tasks that choose one of several classes."""

    loss_names: ClassVar[tuple[str, ...]] = tuple(CLASS_LOSSES)
    available_outputs: ClassVar[tuple[Content, ...]] = (
        Content.CLASSES,
        Content.PROBABILITIES,
        Content.LOGITS,
    )

    def configure_models(self) -> None:
        """Check what is said of the classes, then build the model."""
        count, names = self.num_classes, self.settings.class_names
        if names is not None and len(names) != count:
            raise ConfigurationError(
                f"{PATH}.class_names",
                f"{len(names)} names for {count} classes ({PATH}.model_args.num_classes)",
                "Give one name for each class, in the order of their ids.",
            )
        if names is not None and len(set(names)) < len(names):
            raise ConfigurationError(f"{PATH}.class_names", f"a name twice in {list(names)}")
        check_class_weights(self.settings.class_weights, count)
        super().configure_models()

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        count = self.settings.model_args.get("num_classes")
        if count is None and self.settings.class_names is not None:
            count = len(self.settings.class_names)
        if not isinstance(count, int) or count < _FEWEST_CLASSES:
            raise ConfigurationError(
                f"{PATH}.model_args.num_classes",
                f"{count!r}" if count is not None else "it is missing",
                "Set it to how many classes the labels have; of one alone nothing can be learned, "
                "background is a class too.",
            )
        return count

    def configure_losses(self) -> None:
        """Set the criterion; weights of classes that no loss uses are said."""
        super().configure_losses()
        weighted = any(isinstance(part, CrossEntropyLoss) for part in self.criterion.modules())
        if self.settings.class_weights is not None and not weighted:
            logger.warning("%s.class_weights: only the loss 'ce' uses them", PATH)

    def build_loss(self, name: str) -> nn.Module:
        """Return the loss of this name."""
        return build_class_loss(name, self.settings.ignore_index, self.settings.class_weights)

    def target_of(self, batch: Any, output: Tensor) -> Tensor:
        """Return class ids `(B, ...)` that fit logits `(B, C, ...)`."""
        target: Tensor = batch[self.target_key]
        if target.ndim == output.ndim and target.shape[1] == 1:
            target = target.squeeze(1)
        if output.ndim < 2 or output.shape[1] != self.num_classes:
            raise ConfigurationError(
                f"{PATH}.model_args.num_classes",
                f"{self.num_classes}, but the model gives scores {tuple(output.shape)}",
                "The second size must be the number of classes.",
            )
        if (output.shape[0], *output.shape[2:]) != target.shape:
            one_hot = target.shape == output.shape
            cure = "Give ids of classes, not a value for each class." if one_hot else RESCALE
            raise shapes_differ(self.target_key, target, output, cure)
        return target.long()

    def decide(self, output: Tensor) -> Tensor:
        """Return the most probable class of logits `(B, C, ...)`."""
        # On a processor this is several times as fast as argmax.
        return output.max(dim=1).indices

    def default_layers(self) -> dict[str, Content]:
        """Return the layers that the arguments ask for; if the main one is not, the first is."""
        settings = self.settings
        main = Content.CLASSES if settings.output_most_probable else Content.LOGITS
        names = _requested_layers(settings.output_on_inference)
        layers = {name: main if name == MAIN_LAYER else Content(name) for name in names}
        if MAIN_LAYER not in layers:
            layers = {MAIN_LAYER: layers.pop(names[0]), **layers}
        return layers


def _requested_layers(names: str | Sequence[str]) -> tuple[str, ...]:
    requested = (names,) if isinstance(names, str) else tuple(names)
    thing = f"{PATH}.output_on_inference"
    if not requested:
        raise ConfigurationError(thing, "it is empty", f"Use some of {', '.join(_LAYERS)}.")
    for name in requested:
        if name not in _LAYERS:
            cure = f"{did_you_mean(name, _LAYERS)} Use some of {', '.join(_LAYERS)}.".strip()
            raise ConfigurationError(thing, f"{name!r} is no layer", cure)
    return requested
