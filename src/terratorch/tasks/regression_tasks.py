"""Pixel-wise regression: a value for each pixel."""

from __future__ import annotations

from terratorch.registry import TASK_REGISTRY
from terratorch.tasks import arguments
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.objectives.regression import RegressionObjective


@TASK_REGISTRY.register
@arguments.describe_arguments
class PixelwiseRegressionTask(TerraTorchTask):
    """Learn a value for each pixel of `image` `(B, C, H, W)` from `mask` `(B, H, W)`.

    Pixels whose target is NaN enter neither loss nor metrics.
    """

    objective_class = RegressionObjective

    def __init__(
        self,
        model_args: arguments.ModelArgs,
        model_factory: arguments.Factory = None,
        model: arguments.BuiltModel = None,
        loss: arguments.Loss = "mse",
        aux_heads: arguments.AuxHeads = None,
        aux_loss: arguments.AuxLoss = None,
        var_weights: arguments.VarWeights = None,
        ignore_index: arguments.IgnoreIndex = None,
        custom_loss: arguments.CustomLoss = False,
        custom_loss_kwargs: arguments.CustomLossArgs = None,
        lr: arguments.LearningRate = 0.001,
        optimizer: arguments.OptimizerName = None,
        optimizer_hparams: arguments.OptimizerArgs = None,
        scheduler: arguments.SchedulerName = None,
        scheduler_hparams: arguments.SchedulerArgs = None,
        freeze_backbone: arguments.FreezeBackbone = False,
        freeze_decoder: arguments.FreezeDecoder = False,
        freeze_head: arguments.FreezeHead = False,
        plot_on_val: arguments.PlotOnVal = 10,
        tiled_inference_parameters: arguments.TileArgs = None,
        test_dataloaders_names: arguments.TestNames = None,
        lr_overrides: arguments.LrOverrides = None,
        tiled_inference_on_testing: arguments.TileTests = False,
        tiled_inference_on_validation: arguments.TileValidation = False,
        path_to_record_metrics: arguments.MetricsPath = None,
    ) -> None:
        super().__init__()
