"""A test of a task with boxes or vectors has a report with figures and pictures."""

import own_outputs
import pytest
import torch
from own_outputs import NAMES
from torch.utils.data import DataLoader

from terratorch.cli.callbacks.evaluation_report import EvaluationReport
from terratorch.evaluation.evaluation import read_evaluation


def samples(count=3):
    for index in range(count):
        image = torch.zeros(2, 32, 40)
        image[0, 4:12, 6 + index : 20] = 1.0
        image[0, 20:28, 24:30] = 2.0
        yield {"image": image, "filename": f"chip_{index}.tif"}


@pytest.mark.parametrize(
    ("task", "heading", "figures"),
    [
        ("BlobTask", "Objects", {"objects": "6", "tank": "3 (mean score 0.56)"}),
        ("InstanceTask", "Objects", {"objects": "6"}),
        ("PatchTask", "Embeddings of patches", {"vectors": "240", "dimensions": "6"}),
        ("ImageTask", "Embeddings of images", {"vectors": "3", "dimensions": "6"}),
    ],
)
def test_figures_and_pictures(task, heading, figures, tmp_path):
    from lightning.pytorch import Trainer

    report = EvaluationReport(folder=tmp_path)
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[report],
    )
    model = getattr(own_outputs, task)(class_names=NAMES)
    trainer.test(model, DataLoader(list(samples()), batch_size=2), verbose=False)
    page = report.written.read_text()
    assert heading in page
    evaluation = read_evaluation(tmp_path / "evaluation.json")
    (sample_set,) = evaluation.sets
    assert {"images": "3", **figures}.items() <= sample_set.summary.items()
    assert [panel.filename for panel in sample_set.panels] == [f"chip_{i}.tif" for i in range(3)]
    assert page.count("data:image/png;base64") >= len(sample_set.panels)
    assert evaluation.notes == []
