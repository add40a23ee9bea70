from typing import ClassVar

import torch
from task_tester import ImageModel, TaskTester

from terratorch.tasks import ClassificationTask

SINGLE = {"Accuracy", "Accuracy_Micro", "F1_Score", "Precision", "Recall"}
BY_CLASS = {f"{name}_{index}" for name in ("Class_Accuracy", "Class_F1") for index in range(4)}


class TestClassificationTask(TaskTester):
    task_class = ClassificationTask
    arguments: ClassVar = {"model_args": {"num_classes": 4}}
    target_key = "label"
    model = ImageModel
    metric_names = SINGLE | BY_CLASS

    def target(self):
        return torch.tensor([0, 3, 1, 2])
