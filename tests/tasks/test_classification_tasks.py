import csv
from typing import ClassVar

import pytest
import torch
from task_tester import ImageModel, TaskTester, trainer

from map_files import write_maps
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

    def test_the_table_of_a_prediction_has_probabilities(self, tmp_path):
        prediction = trainer().predict(self.build(), self.loader())[0]
        probabilities = prediction.outputs["probabilities"].values
        assert torch.equal(probabilities.max(1).indices, prediction.main.values)
        (path,) = write_maps(prediction, tmp_path)
        row = next(csv.DictReader(path.read_text().splitlines()))
        assert float(row["probability"]) == pytest.approx(float(probabilities[0].max()), rel=1e-4)
