"""Classification: a class for each image."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from torch import nn
from torchmetrics import MetricCollection

from terratorch.contracts.outputs import Content, OutputValue, Table
from terratorch.contracts.prediction import layers_of
from terratorch.losses.classes import build_class_loss
from terratorch.metrics.classes import classification_metrics
from terratorch.models.model import AuxiliaryHead
from terratorch.registry import TASK_REGISTRY
from terratorch.tasks.class_task import ClassTask

logger = logging.getLogger(__name__)


@TASK_REGISTRY.register
class ClassificationTask(ClassTask):
    """Learn a class for each `image` `(B, C, H, W)` from `label` `(B,)`.

    Args:
        model_args: Arguments of the model factory, `num_classes` among them.
        model_factory: Name of the model factory; `EncoderDecoderFactory` if there is none.
        model: A model that is built already, instead of a factory.
        loss: `ce`, `dice`, `jaccard`, `focal` or `lovasz`; a list for their sum, weights by name, a
            module, or with `custom_loss` the path of a class.
        aux_heads: Auxiliary heads, trained with the same loss.
        aux_loss: Weight of each auxiliary head in the loss.
        class_weights: Weight of each class in the loss `ce`.
        ignore_index: The label of images that are left out of loss and metrics. Two losses differ:
            `focal` leaves none out of its loss (an image with a label that is no class, such as
            -100, is trained to be none of the classes; one with the id of a class is trained as
            that class), and `jaccard` leaves out labels that are no class only. A batch of
            ignored images alone adds zero loss, whatever the loss.
        custom_loss: Whether `loss` is the path of a class.
        custom_loss_kwargs: Arguments of that class.
        lr: Learning rate.
        optimizer: Name of a class of `torch.optim`; `Adam` if there is none.
        optimizer_hparams: Its other arguments.
        scheduler: Name of a class of `torch.optim.lr_scheduler`.
        scheduler_hparams: Its arguments, and `interval` and `frequency` for the Trainer.
        freeze_backbone: Exclude the parameters of the encoder from training; its batch norms still
            follow the statistics of the batches.
        freeze_decoder: Exclude the decoder from training.
        freeze_head: Exclude the head from training.
        plot_on_val: Plot samples every this many epochs; True for each, False for none.
        class_names: Names of the classes, in the order of their ids.
        test_dataloaders_names: Names of the test sets, in the names of their metrics.
        lr_overrides: Learning rates of the parameters whose name contains the key.
        path_to_record_metrics: A `.csv` or `.json` file, or a folder, for the metrics of a test.

    Raises:
        ConfigurationError: If arguments contradict each other or a name is not known.
    """

    target_key: ClassVar[str] = "label"
    output_type: ClassVar[type[OutputValue]] = Table

    def __init__(
        self,
        model_args: dict[str, Any],
        model_factory: str | None = None,
        model: nn.Module | None = None,
        loss: str | list[str] | dict[str, float] | nn.Module = "ce",
        aux_heads: list[AuxiliaryHead] | None = None,
        aux_loss: dict[str, float] | None = None,
        class_weights: list[float] | None = None,
        ignore_index: int | None = -100,
        custom_loss: bool = False,
        custom_loss_kwargs: dict[str, Any] | None = None,
        lr: float = 0.001,
        optimizer: str | None = None,
        optimizer_hparams: dict[str, Any] | None = None,
        scheduler: str | None = None,
        scheduler_hparams: dict[str, Any] | None = None,
        freeze_backbone: bool = False,
        freeze_decoder: bool = False,
        freeze_head: bool = False,
        plot_on_val: bool | int = False,
        class_names: list[str] | None = None,
        test_dataloaders_names: list[str] | None = None,
        lr_overrides: dict[str, float] | None = None,
        path_to_record_metrics: str | None = None,
    ) -> None:
        super().__init__(
            "classification",
            plot_on_val=plot_on_val,
            path_to_record_metrics=path_to_record_metrics,
            model=model,
        )

    def build_metrics(self) -> MetricCollection:
        """Return the metrics of a classification."""
        settings = self.settings
        return classification_metrics(self.num_classes, settings.ignore_index, settings.class_names)

    def default_layers(self) -> dict[str, Content]:
        """Return the class, and the probability of each."""
        return layers_of([Content.CLASSES, Content.PROBABILITIES])

    def build_loss(self, name: str) -> nn.Module:
        """Return the loss of this name, with the ignored label that it has always had here.

        People compare losses with those of earlier runs, so what each leaves out is kept, and said.
        """
        ignored = self.settings.ignore_index
        is_class = ignored is not None and 0 <= ignored < self.num_classes
        if name == "focal" or (name == "jaccard" and is_class):
            if is_class:
                logger.warning("model.init_args.ignore_index: the loss %r counts %s", name, ignored)
            ignored = None
        return build_class_loss(name, ignored, self.settings.class_weights)
