"""Devices and precisions of a prediction, without Lightning."""

import pytest
import torch

from terratorch.errors import ConfigurationError
from terratorch.prediction.device import Precision, find_devices


@pytest.fixture
def gpus(monkeypatch):
    """Return a function that gives this machine some GPUs."""

    def give(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    return give


@pytest.mark.parametrize(
    ("count", "accelerator", "devices", "message"),
    [
        (0, "gpu", "auto", "accelerator: gpu, but PyTorch finds none on this machine. Omit it, or"),
        (0, "cuda", "auto", "accelerator: cuda, but PyTorch finds none"),
        (1, "mps", "auto", "accelerator: mps, but PyTorch finds none"),
        (1, "gup", "auto", "'gup' is not one of auto, cpu, cuda, gpu, mps. Did you mean 'gpu'"),
        (1, "gpu", "3", "devices: 3, but PyTorch finds 1 GPU on this machine. Omit it, or us"),
        (2, "cuda", [1, 2], r"devices: \[1, 2\], but .* 2 GPUs on this machine. Omit"),
        (2, "gpu", "-5", "devices: -5, but there are no GPUs below 0. Use -1, or auto, for all"),
        (2, "auto", [-1], r"devices: \[-1\], but there are no GPUs below 0"),
        (2, "gpu", "1,1", r"devices: \[1, 1\] names a GPU twice. Name each once"),
        (1, "gpu", "many", "devices: 'many' is not a valid number of devices. Use 1 or more, or a"),
        (1, "gpu", "0", "devices: '0' is not a valid number of devices"),
        (0, "auto", "[0,1]", r"devices: \[0,1\], but without GPUs it is the number of processes"),
        (0, "cpu", True, "devices: True is not a valid number"),
    ],
)
def test_missing_devices_are_named(count, accelerator, devices, message, gpus):
    gpus(count)
    with pytest.raises(ConfigurationError, match=message):
        find_devices(accelerator, devices)


@pytest.mark.parametrize(
    ("count", "accelerator", "devices", "expected"),
    [
        (0, "auto", "auto", ["cpu"]),
        (2, "auto", "auto", ["cuda:0", "cuda:1"]),
        (2, "cpu", "auto", ["cpu"]),
        (0, "cpu", "3", ["cpu"] * 3),
        (2, "gpu", 1, ["cuda:0"]),
        (2, "auto", -1, ["cuda:0", "cuda:1"]),
        (2, "cuda", "1,", ["cuda:1"]),
        (2, "gpu", "[1, 0]", ["cuda:1", "cuda:0"]),
    ],
)
def test_devices_are_found(count, accelerator, devices, expected, gpus):
    gpus(count)
    assert [str(device) for device in find_devices(accelerator, devices)] == expected


@pytest.mark.parametrize(
    ("name", "weights", "output"),
    [
        (None, torch.float32, torch.float32),
        ("bf16", torch.float32, torch.bfloat16),
        ("16-mixed", torch.float32, torch.bfloat16),  # of a CPU
        ("bf16-true", torch.bfloat16, torch.bfloat16),
        (64, torch.float64, torch.float64),
    ],
)
def test_a_model_runs_in_its_precision(name, weights, output):
    precision, model = Precision.parse(name), torch.nn.Linear(2, 2)
    precision.convert_model(model)
    assert model.weight.dtype == weights
    with precision.autocast(torch.device("cpu")):
        assert model(precision.convert_images(torch.zeros(1, 2))).dtype == output


def test_an_unknown_precision_gets_the_closest():
    with pytest.raises(ConfigurationError, match=r"'bf-16' is not one of .* Did you mean 'bf16'"):
        Precision.parse("bf-16")
