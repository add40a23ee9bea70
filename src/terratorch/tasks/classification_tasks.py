"""Classification: a class for each image."""

from __future__ import annotations

from terratorch.registry import TASK_REGISTRY
from terratorch.tasks import arguments
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.objectives.classification import ClassificationObjective


@TASK_REGISTRY.register
@arguments.describe_arguments
class ClassificationTask(TerraTorchTask):
    """Learn a class for each `image` `(B, C, H, W)` from `label` `(B,)`."""

    objective_class = ClassificationObjective

    def __init__(
        self,
        model_args: arguments.ModelArgs,
        model_factory: arguments.Factory = None,
        model: arguments.BuiltModel = None,
        loss: arguments.Loss = "ce",
        aux_heads: arguments.AuxHeads = None,
        aux_loss: arguments.AuxLoss = None,
        class_weights: arguments.ClassWeights = None,
        ignore_index: arguments.IgnoreIndex = -100,
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
        plot_on_val: arguments.PlotOnVal = False,
        class_names: arguments.ClassNames = None,
        test_dataloaders_names: arguments.TestNames = None,
        lr_overrides: arguments.LrOverrides = None,
        path_to_record_metrics: arguments.MetricsPath = None,
    ) -> None:
        super().__init__()
