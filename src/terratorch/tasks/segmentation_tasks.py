"""Semantic segmentation: a class for each pixel."""

from __future__ import annotations

from terratorch.registry import TASK_REGISTRY
from terratorch.tasks import arguments
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.objectives.segmentation import SegmentationObjective


@TASK_REGISTRY.register
@arguments.describe_arguments
class SemanticSegmentationTask(TerraTorchTask):
    """Learn a class for each pixel of `image` `(B, C, H, W)` from `mask` `(B, H, W)`."""

    objective_class = SegmentationObjective

    def __init__(
        self,
        model_args: arguments.OptionalModelArgs = None,
        model_factory: arguments.Factory = None,
        model: arguments.BuiltModel = None,
        loss: arguments.LossNames = "ce",
        aux_heads: arguments.AuxHeads = None,
        aux_loss: arguments.AuxLoss = None,
        class_weights: arguments.ClassWeights = None,
        ignore_index: arguments.IgnoreIndex = None,
        lr: arguments.LearningRate = 0.001,
        optimizer: arguments.OptimizerName = None,
        optimizer_hparams: arguments.OptimizerArgs = None,
        scheduler: arguments.SchedulerName = None,
        scheduler_hparams: arguments.SchedulerArgs = None,
        freeze_backbone: arguments.FreezeBackbone = False,
        freeze_decoder: arguments.FreezeDecoder = False,
        freeze_head: arguments.FreezeHead = False,
        plot_on_val: arguments.PlotOnVal = 10,
        class_names: arguments.ClassNames = None,
        tiled_inference_parameters: arguments.TileArgs = None,
        test_dataloaders_names: arguments.TestNames = None,
        lr_overrides: arguments.LrOverrides = None,
        output_on_inference: arguments.OutputLayers = "prediction",
        output_most_probable: arguments.MostProbable = True,
        path_to_record_metrics: arguments.MetricsPath = None,
        tiled_inference_on_testing: arguments.TileTests = False,
        tiled_inference_on_validation: arguments.TileValidation = False,
    ) -> None:
        super().__init__()
