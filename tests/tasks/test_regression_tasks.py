from typing import ClassVar

import torch
from task_tester import PixelModel, TaskTester

from terratorch.tasks import PixelwiseRegressionTask


class OneValue(PixelModel):
    def __init__(self):
        super().__init__(channels=1)


class TestPixelwiseRegressionTask(TaskTester):
    task_class = PixelwiseRegressionTask
    arguments: ClassVar = {"model_args": {}, "ignore_index": -1}
    model = OneValue
    metric_names: ClassVar = {"MAE", "MSE", "R2_Score", "RMSE"}

    def target(self):
        values = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(0))
        values[:, 0], values[:, 1] = torch.nan, -1
        return values
