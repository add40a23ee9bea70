"""Semantic segmentation: a class for each pixel."""

from __future__ import annotations

from typing import Any

from torch import nn
from torchmetrics import MetricCollection

from terratorch.metrics.classes import segmentation_metrics
from terratorch.registry import TASK_REGISTRY
from terratorch.tasks.class_task import ClassTask


@TASK_REGISTRY.register
class SemanticSegmentationTask(ClassTask):
    """Learn a class for each pixel of `image` `(B, C, H, W)` from `mask` `(B, H, W)`.

    Args:
        model_args: Arguments of the model factory, `num_classes` among them.
        model_factory: Name of the model factory; `EncoderDecoderFactory` if there is none.
        model: A model that is built already, instead of a factory.
        loss: `ce`, `dice`, `jaccard`, `focal` or `lovasz`; a list for their sum, or weights by
            name.
        aux_heads: Auxiliary heads, trained with the same loss.
        aux_loss: Weight of each auxiliary head in the loss.
        class_weights: Weight of each class in the loss `ce`.
        ignore_index: Pixels with this label enter neither loss nor metrics.
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
        tiled_inference_parameters: Arguments of `tiled_inference`: predict tile by tile.
        test_dataloaders_names: Names of the test sets, in the names of their metrics.
        lr_overrides: Learning rates of the parameters whose name contains the key.
        output_on_inference: Layers of a prediction: `prediction`, `logits`, `probabilities`, or
            several.
        output_most_probable: Predict the most probable class; otherwise the scores of all.
        path_to_record_metrics: A `.csv` or `.json` file, or a folder, for the metrics of a test.
        tiled_inference_on_testing: Test tile by tile.
        tiled_inference_on_validation: Validate tile by tile.

    Raises:
        ConfigurationError: If arguments contradict each other or a name is not known.
    """

    def __init__(
        self,
        model_args: dict[str, Any] | None = None,
        model_factory: str | None = None,
        model: nn.Module | None = None,
        loss: str | list[str] | dict[str, float] | None = "ce",
        aux_heads: list[Any] | None = None,
        aux_loss: dict[str, float] | None = None,
        class_weights: list[float] | None = None,
        ignore_index: int | None = None,
        lr: float = 0.001,
        optimizer: str | None = None,
        optimizer_hparams: dict[str, Any] | None = None,
        scheduler: str | None = None,
        scheduler_hparams: dict[str, Any] | None = None,
        freeze_backbone: bool = False,
        freeze_decoder: bool = False,
        freeze_head: bool = False,
        plot_on_val: bool | int = 10,
        class_names: list[str] | None = None,
        tiled_inference_parameters: dict[str, Any] | None = None,
        test_dataloaders_names: list[str] | None = None,
        lr_overrides: dict[str, float] | None = None,
        output_on_inference: str | list[str] = "prediction",
        output_most_probable: bool = True,
        path_to_record_metrics: str | None = None,
        tiled_inference_on_testing: bool = False,
        tiled_inference_on_validation: bool = False,
    ) -> None:
        super().__init__(
            "segmentation",
            tiled_inference_on_testing,
            tiled_inference_on_validation,
            plot_on_val,
            path_to_record_metrics,
            model,
        )

    def build_metrics(self) -> MetricCollection:
        """Return the metrics of a segmentation."""
        settings = self.settings
        return segmentation_metrics(self.num_classes, settings.ignore_index, settings.class_names)
