"""Accelerators, devices and precisions that there are not."""

import pytest
import torch
from lightning.fabric.accelerators import cuda as fabric_cuda
from lightning.pytorch.accelerators import CUDAAccelerator, cuda

from terratorch.cli.lightning.hardware import check_hardware
from terratorch.cli.main import main
from terratorch.errors import ConfigurationError


@pytest.fixture
def gpus(monkeypatch):
    """Return a function that gives this machine some GPUs."""

    def give(count):
        for module in (fabric_cuda, cuda):
            monkeypatch.setattr(module, "num_cuda_devices", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (8, 0))

    return give


@pytest.mark.parametrize(
    ("count", "accelerator", "devices", "message"),
    [
        (0, "gpu", "auto", "accelerator: 'gpu' cannot be used: No supported gpu .* Omit it"),
        (0, "cuda", "auto", "accelerator: 'cuda' cannot be used: .* Omit it, or use auto"),
        (1, "mps", "auto", "accelerator: 'mps' cannot be used"),
        (1, "gup", "auto", "'gup' .* Available names are: .*cuda"),
        (1, "gpu", "3", r"devices: '3' .* machine only has: \[0\]. Omit it, or use auto"),
        (2, "auto", 3, r"devices: 3 .* machine only has: \[0, 1\]. Omit"),
        (2, "cuda", [1, 2], r"devices: \[1, 2\] .* machine only has: \[0, 1\]. Omit"),
        (1, "gpu", "0, 1", r"devices: '0, 1' .* machine only has: \[0\]"),
        (2, "gpu", "-5", "devices: '-5' cannot be used"),
        (2, "gpu", -2, "devices: -2 cannot be used"),
        (2, "auto", [-1], r"devices: \[-1\] .* machine only has: \[0, 1\]"),
        (2, "cuda", [0, 0], r"devices: \[0, 0\] .* must be unique"),
        (2, "gpu", "1,1", r"devices: '1,1' .* must be unique"),
        (1, "gpu", "many", "devices: 'many' cannot be used: .*Omit it, or use auto"),
        (1, "gpu", "0", "devices: '0' cannot be used"),
        (0, "auto", [0, 1], r"devices: \[0, 1\] .* on CPUs it is the number of processes"),
        (0, None, 0, "devices: 0 cannot be used"),
    ],
)
def test_what_is_not_there_is_refused(count, accelerator, devices, message, gpus):
    gpus(count)
    with pytest.raises(ConfigurationError, match=f"(?s)^trainer.{message}|{message}"):
        check_hardware({"accelerator": accelerator, "devices": devices})


@pytest.mark.parametrize(
    ("count", "accelerator", "devices"),
    [
        (0, None, None),
        (0, "cpu", "3"),
        (2, "gpu", 2),
        (2, "auto", -1),
        (2, "cuda", "0,1"),
        (2, "gpu", "1,"),
        (2, "gpu", [1]),
        (2, CUDAAccelerator(), 2),
    ],
)
def test_what_is_there_is_taken(count, accelerator, devices, gpus):
    gpus(count)
    check_hardware({"accelerator": accelerator, "devices": devices, "max_epochs": 3})


def test_a_torch_without_cuda_is_named(gpus, monkeypatch):
    gpus(0)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    with pytest.raises(ConfigurationError, match="is built without CUDA"):
        check_hardware({"accelerator": "gpu"})


@pytest.mark.parametrize("precision", [None, 32, "16-mixed", "bf16", "bf16-mixed", "64-true"])
def test_precisions_of_lightning_are_taken(precision):
    check_hardware({"accelerator": "cpu", "precision": precision})


def test_another_precision_is_refused():
    with pytest.raises(ConfigurationError, match=r"^precision: '17' cannot .*'bf16-mixed'"):
        check_hardware({"precision": "17"}, section="")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--accelerator", "gpu"], "accelerator: "),
        (["--devices", "0"], "devices: "),
        (["--precision", "bf16mixed"], "precision: 'bf16mixed' "),
    ],
)
@pytest.mark.parametrize("configured", [False, True])
def test_predict_refuses_it(configured, options, message, gpus, fitted, tmp_path, capsys):
    gpus(0)
    if configured:
        options = ["-c", str(fitted / "given.yaml"), f"--trainer.{options[0][2:]}", options[1]]
        message = f"trainer.{message}"
    checkpoint = str(fitted / "checkpoints" / "best.ckpt")
    data = ["--predict_data", str(tmp_path), "--predict_output_dir", str(tmp_path / "maps")]
    (tmp_path / "a.tif").touch()
    assert main(["predict", "--ckpt_path", checkpoint, *data, *options]) == 2
    assert message in capsys.readouterr().err
