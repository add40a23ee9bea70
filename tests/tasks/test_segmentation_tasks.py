from typing import ClassVar

import torch
from task_tester import TaskTester

from terratorch.tasks import SemanticSegmentationTask

SINGLE = {"Accuracy", "Boundary_mIoU", "F1_Score", "Pixel_Accuracy", "mIoU", "mIoU_Micro"}
BY_CLASS = {f"{name}_{index}" for name in ("Class_Accuracy", "IoU") for index in range(4)}


class TestSemanticSegmentationTask(TaskTester):
    task_class = SemanticSegmentationTask
    arguments: ClassVar = {"model_args": {"num_classes": 4}, "ignore_index": -1}
    metric_names = SINGLE | BY_CLASS

    def target(self):
        return torch.randint(-1, 4, (4, 8, 8), generator=torch.Generator().manual_seed(0))
