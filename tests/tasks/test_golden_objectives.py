"""Losses and metrics of each task against recorded values, through `Trainer.validate`."""

import json
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from safetensors import safe_open

from terratorch import tasks
from terratorch.models.model import ModelOutput

FILE = Path(__file__).parents[1] / "data" / "objectives_golden.safetensors"
with safe_open(FILE, "pt") as golden:
    CASES = {name: json.loads(text) for name, text in golden.metadata().items()}
    TENSORS = {key: golden.get_tensor(key) for key in golden.keys()}  # noqa: SIM118 - no mapping

# Ours leaves the ignored class and pixels with an ignored target out of `Boundary_mIoU`.
BETTER_HERE = {"metric_03": {"val/Boundary_mIoU"}}


class Recorded(torch.nn.Module):
    """A model that answers each batch with a stored prediction."""

    def __init__(self, prediction):
        super().__init__()
        self.prediction = prediction
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image, **_):
        return ModelOutput(self.prediction.clone())


@pytest.fixture(scope="module")
def trainer():
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@pytest.mark.parametrize("name", sorted(CASES))
def test_validation_logs_the_recorded_values(trainer, name):
    case = CASES[name]
    prediction, target = TENSORS[case["prediction"]], TENSORS[case["target"]]
    task = getattr(tasks, case["task"])(model=Recorded(prediction), **case["kwargs"])
    per_pixel = target.ndim > 1
    size = target.shape[-2:] if per_pixel else (8, 8)
    batch = {
        "image": torch.zeros(len(target), 3, *size),
        "mask" if per_pixel else "label": target,
    }
    loader = torch.utils.data.DataLoader([batch], batch_size=None)
    logged = trainer.validate(task, loader, verbose=False)[0]
    expected = {
        key: value
        for key, value in case["values"].items()
        if value is not None and key not in BETTER_HERE.get(name, ())
    }
    assert {key: logged[key] for key in expected} == pytest.approx(expected, rel=2e-5, abs=2e-5)
