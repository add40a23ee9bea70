"""Accelerators, devices and precisions that there are not."""

from typing import Literal, get_args

import pytest
from lightning.fabric import connector
from lightning.pytorch.accelerators import AcceleratorRegistry, CUDAAccelerator, MPSAccelerator

from terratorch.cli.lightning.hardware import check_hardware, check_precision, precisions
from terratorch.cli.main import main
from terratorch.errors import ConfigurationError


@pytest.fixture
def gpus(monkeypatch):
    """Return a function that gives this machine some GPUs."""

    def give(count):
        monkeypatch.setattr(CUDAAccelerator, "is_available", staticmethod(lambda: count > 0))
        monkeypatch.setattr(CUDAAccelerator, "auto_device_count", staticmethod(lambda: count))
        monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: False))

    return give


@pytest.mark.parametrize(
    ("count", "accelerator", "devices", "message"),
    [
        (0, "gpu", "auto", "accelerator: gpu, but PyTorch finds none on this machine. Leave it ou"),
        (0, "cuda", "auto", "accelerator: cuda, but PyTorch finds none"),
        (1, "mps", "auto", "accelerator: mps, but PyTorch finds none"),
        (1, "gup", "auto", "'gup' is none of auto, gpu, cpu, .* Did you mean 'gpu'"),
        (1, "gpu", "3", "devices: 3, but PyTorch finds 1 GPU on this machine. Leave it out, or us"),
        (2, "auto", 3, "devices: 3, but PyTorch finds 2 GPUs on this machine. Leave"),
        (2, "cuda", [1, 2], r"devices: \[1, 2\], but .* 2 GPUs on this machine, numbers 0, 1. Le"),
        (1, "gpu", "0, 1", r"devices: \[0, 1\], but .* 1 GPU on this machine, number 0. Leave"),
        (2, "gpu", "-5", "devices: -5, but there are no GPUs below 0. Use -1, or auto, for all"),
        (2, "gpu", -2, "devices: -2, but there are no GPUs below 0"),
        (2, "auto", [-1], r"devices: \[-1\], but there are no GPUs below 0"),
        (2, "cuda", [0, 0], r"devices: \[0, 0\] names a GPU twice. Name each once"),
        (2, "gpu", "1,1", r"devices: \[1, 1\] names a GPU twice"),
        (1, "gpu", "many", "devices: 'many' is no number of devices. Use 1 or more, or auto"),
        (1, "gpu", "0", "devices: '0' is no number of devices"),
        (0, "auto", "[0,1]", r"devices: \[0,1\], but on CPUs it is the number of processes"),
        (0, "cpu", True, "devices: True is no number"),
    ],
)
def test_what_is_not_there_is_told(count, accelerator, devices, message, gpus):
    gpus(count)
    with pytest.raises(ConfigurationError, match=message):
        check_hardware(accelerator, devices)


@pytest.mark.parametrize(
    ("count", "accelerator", "devices"),
    [
        (0, None, None),
        (0, "cpu", "3"),
        (2, "gpu", 2),
        (2, "auto", -1),
        (2, "cuda", "0,1"),
        (2, "gpu", "1,"),
        (2, "gpu", "[1]"),
        (0, CUDAAccelerator, 3),  # left to Lightning
    ],
)
def test_what_is_there_is_taken(count, accelerator, devices, gpus):
    gpus(count)
    check_hardware(accelerator, devices)


def test_precisions_are_those_of_lightning():
    kinds = ("_INT", "_STR", "_STR_ALIAS")
    known = [
        name for kind in kinds for name in get_args(getattr(connector, f"_PRECISION_INPUT{kind}"))
    ]
    assert {str(name) for name in known} == set(precisions())
    for name in (None, *known):
        check_precision(name)
    with pytest.raises(
        ConfigurationError, match=r"precision: '17' is none of .* Leave it out for 32"
    ):
        check_precision("17")


@pytest.mark.parametrize("hint", [Literal["17"] | None, "a hint that tells none"])
def test_precisions_of_another_lightning_are_taken(hint, monkeypatch):
    def trainer(precision):
        """Stand for the Trainer."""

    trainer.__annotations__["precision"] = hint
    monkeypatch.setattr("lightning.pytorch.Trainer", trainer)
    check_precision(17)


def test_accelerators_are_those_of_lightning():
    assert {"cpu", "cuda", "mps", "tpu"} <= set(AcceleratorRegistry.available_accelerators())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--accelerator", "gpu"], "accelerator: gpu, but PyTorch finds none on this machine."),
        (["--devices", "0"], "devices: '0' is no number of devices"),
        (["--precision", "bf16mixed"], "precision: 'bf16mixed' is none of"),
    ],
)
@pytest.mark.parametrize("configured", [False, True])
def test_predict_tells_it(configured, options, message, gpus, fitted, tmp_path, capsys):
    gpus(0)
    if configured:
        options = ["-c", str(fitted / "given.yaml"), f"--trainer.{options[0][2:]}", options[1]]
        message = f"trainer.{message}"
    checkpoint = str(fitted / "checkpoints" / "best.ckpt")
    data = ["--predict_data", str(tmp_path), "--predict_output_dir", str(tmp_path / "maps")]
    (tmp_path / "a.tif").touch()
    assert main(["predict", "--ckpt_path", checkpoint, *data, *options]) == 2
    assert message in capsys.readouterr().err
