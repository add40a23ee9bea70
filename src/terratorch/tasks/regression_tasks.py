"""Pixel-wise regression: a value for each pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from terratorch.errors import ConfigurationError
from terratorch.losses.values import VALUE_LOSSES, ValueLoss
from terratorch.metrics.values import regression_metrics
from terratorch.models.model import AuxiliaryHead
from terratorch.registry import TASK_REGISTRY
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.batch_checks import RESCALE, shapes_differ
from terratorch.tasks.settings import PATH


@TASK_REGISTRY.register
class PixelwiseRegressionTask(TerraTorchTask):
    """Learn a value for each pixel of `image` `(B, C, H, W)` from `mask` `(B, H, W)`.

    Pixels whose target is NaN enter neither loss nor metrics.

    Args:
        model_args: Arguments of the model factory.
        model_factory: Name of the model factory; `EncoderDecoderFactory` if there is none.
        model: A model that is built already, instead of a factory.
        loss: `mse`, `rmse`, `mae` or `huber`; a list for their sum, weights by name, a module, or
            with `custom_loss` the path of a class.
        aux_heads: Auxiliary heads, trained with the same loss.
        aux_loss: Weight of each auxiliary head in the loss.
        var_weights: Weight of each variable; there is one.
        ignore_index: Pixels with this target enter neither loss nor metrics.
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
        tiled_inference_parameters: Arguments of `tiled_inference`: predict tile by tile.
        test_dataloaders_names: Names of the test sets, in the names of their metrics.
        lr_overrides: Learning rates of the parameters whose name contains the key.
        tiled_inference_on_testing: Test tile by tile.
        tiled_inference_on_validation: Validate tile by tile.
        path_to_record_metrics: A `.csv` or `.json` file, or a folder, for the metrics of a test.

    Raises:
        ConfigurationError: If arguments contradict each other or a name is not known.
    """

    loss_names: ClassVar[tuple[str, ...]] = tuple(VALUE_LOSSES)

    def __init__(
        self,
        model_args: dict[str, Any],
        model_factory: str | None = None,
        model: nn.Module | None = None,
        loss: str | list[str] | dict[str, float] | nn.Module = "mse",
        aux_heads: list[AuxiliaryHead] | None = None,
        aux_loss: dict[str, float] | None = None,
        var_weights: list[float] | None = None,
        ignore_index: int | None = None,
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
        plot_on_val: bool | int = 10,
        tiled_inference_parameters: dict[str, Any] | None = None,
        test_dataloaders_names: list[str] | None = None,
        lr_overrides: dict[str, float] | None = None,
        tiled_inference_on_testing: bool = False,
        tiled_inference_on_validation: bool = False,
        path_to_record_metrics: str | None = None,
    ) -> None:
        if var_weights is not None and len(var_weights) != 1:
            raise ConfigurationError(
                f"{PATH}.var_weights", f"{len(var_weights)} weights for one variable", "Drop them."
            )
        super().__init__(
            "regression",
            tiled_inference_on_testing,
            tiled_inference_on_validation,
            plot_on_val,
            path_to_record_metrics,
            model,
        )

    def build_loss(self, name: str) -> nn.Module:
        """Return the loss of this name."""
        return ValueLoss(name)

    def build_metrics(self) -> MetricCollection:
        """Return the metrics of a regression."""
        return regression_metrics()

    def valid_targets(self, target: Tensor) -> Tensor:
        """Return where a target is a number, and not the ignored one."""
        numbers = ~target.isnan()
        ignored = self.settings.ignore_index
        return numbers if ignored is None else numbers & (target != ignored)

    def target_of(self, batch: Mapping[str, Any], output: Tensor) -> Tensor:
        """Return values `(B, H, W)` that fit the prediction, NaN where none counts."""
        target: Tensor = batch[self.target_key]
        values = self.decide(output)
        if target.ndim == values.ndim + 1 and target.shape[1] == 1:
            target = target.squeeze(1)
        if target.shape != values.shape:
            several = values.ndim > target.ndim
            cure = f"Set {PATH}.model_args.num_outputs: 1, as there is one target."
            raise shapes_differ(self.target_key, target, values, cure if several else RESCALE)
        return target.where(self.valid_targets(target), torch.nan)

    def decide(self, output: Tensor) -> Tensor:
        """Return the values `(B, H, W)` of an output that may be `(B, 1, H, W)`."""
        return output.squeeze(1) if output.ndim == 4 else output
