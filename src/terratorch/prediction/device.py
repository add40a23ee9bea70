"""The devices and the precision of a prediction; importing Lightning for it takes seconds."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from terratorch.contracts.images import Images, each_image
from terratorch.errors import ConfigurationError, did_you_mean

logger = logging.getLogger(__name__)

AUTO = "auto"
ACCELERATORS = (AUTO, "cpu", "cuda", "gpu", "mps")
# `3`, `-1`, `0,2`, `0,` for the first one, and `[0, 2]`.
_NUMBERS = re.compile(r"-?\d+|\d+(, *\d+)*,?|\[\d+(, *\d+)*\]")
_ALL = -1

# By name: the type of the weights, and the type that operations may run in.
PRECISIONS: dict[str, tuple[torch.dtype, torch.dtype | None]] = {
    "32-true": (torch.float32, None),
    "16-mixed": (torch.float32, torch.float16),
    "bf16-mixed": (torch.float32, torch.bfloat16),
    "16-true": (torch.float16, None),
    "bf16-true": (torch.bfloat16, None),
    "64-true": (torch.float64, None),
}
_ALIASES = {"32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed", "64": "64-true"}


@dataclass(frozen=True)
class Precision:
    """The number type of a prediction.

    Attributes:
        name: As Lightning names it, such as `bf16-mixed`.
    """

    name: str = "32-true"

    @classmethod
    def parse(cls, name: str | int | None) -> Precision:
        """Return the precision of a name or an alias, such as `bf16` or 32.

        Raises:
            ConfigurationError: If the name is not known.
        """
        text = "32-true" if name is None else str(name)
        text = _ALIASES.get(text, text)
        if text not in PRECISIONS:
            known = (*PRECISIONS, *_ALIASES)
            raise ConfigurationError(
                "precision",
                f"{text!r} is not one of {', '.join(known)}",
                did_you_mean(text, known)
                or "Omit it for 32; 16-mixed and bf16-mixed save memory on GPUs.",
            )
        return cls(text)

    def convert_model(self, model: nn.Module) -> None:
        """Convert the weights of a model in place."""
        dtype, _ = PRECISIONS[self.name]
        if dtype is not torch.float32:
            model.to(dtype)

    def convert_images(self, images: Images) -> Images:
        """Return floating-point images in the type of the weights."""
        dtype, _ = PRECISIONS[self.name]
        if dtype is torch.float32:
            return images
        return each_image(images, lambda x: x.to(dtype) if x.is_floating_point() else x)

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """Return the context that the model runs in."""
        _, dtype = PRECISIONS[self.name]
        if dtype is None:
            return nullcontext()
        if dtype is torch.float16 and device.type == "cpu":
            dtype = torch.bfloat16  # as Lightning does, since operations on CPUs lack float16
        return torch.autocast(device.type, dtype=dtype)


def find_devices(
    accelerator: str = AUTO, devices: str | int | Sequence[int] = AUTO
) -> list[torch.device]:
    """Return the devices that a prediction runs on, one for each process.

    Args:
        accelerator: One of `ACCELERATORS`.
        devices: How many, or which: a number, GPU numbers such as `0,2`, -1 for all GPUs, or
            `auto`: all GPUs, else one CPU process.

    Raises:
        ConfigurationError: If this machine does not have them.
    """
    kind = _device_type(accelerator)
    numbers = None if devices == AUTO else _parse_devices(devices)
    if kind == "cuda":
        return [torch.device("cuda", number) for number in _gpu_numbers(numbers)]
    if numbers is None:
        return [torch.device(kind)]
    if not isinstance(numbers, int) or numbers < 1:
        raise ConfigurationError(
            "devices", f"{devices}, but without GPUs it is the number of processes", "Use 1."
        )
    if kind == "mps" and numbers > 1:
        raise ConfigurationError("devices", f"{devices}, but there is one GPU", "Use 1.")
    return [torch.device(kind)] * numbers


def _device_type(accelerator: str) -> str:
    if accelerator not in ACCELERATORS:
        raise ConfigurationError(
            "accelerator",
            f"{accelerator!r} is not one of {', '.join(ACCELERATORS)}",
            did_you_mean(accelerator, ACCELERATORS),
        )
    available = {"mps": torch.backends.mps.is_available(), "cuda": torch.cuda.is_available()}
    wanted = ("mps", "cuda") if accelerator in (AUTO, "gpu") else (accelerator,)
    for kind in wanted:
        if kind == "cpu" or available[kind]:
            return kind
    if accelerator == AUTO:
        return "cpu"
    cure = "Omit it, or use auto or cpu."
    if accelerator != "mps" and torch.version.cuda is None and torch.version.hip is None:
        cure += f" If there is a GPU: this PyTorch ({torch.__version__}) is built without CUDA."
    raise ConfigurationError(
        "accelerator", f"{accelerator}, but PyTorch finds none on this machine", cure
    )


def _parse_devices(devices: str | int | Sequence[int]) -> int | list[int]:
    """Return how many devices, or the numbers of GPUs."""
    if isinstance(devices, str) and _NUMBERS.fullmatch(devices.strip()):
        numbers = [int(number) for number in re.findall(r"-?\d+", devices)]
        parsed = numbers[0] if devices.strip().lstrip("-").isdecimal() else numbers
    elif isinstance(devices, str | bool):
        parsed = 0
    else:
        parsed = devices if isinstance(devices, int) else list(devices)
    if parsed in (0, []):
        raise ConfigurationError(
            "devices", f"{devices!r} is not a valid number of devices", "Use 1 or more, or auto."
        )
    return parsed


def _gpu_numbers(devices: int | list[int] | None) -> list[int]:
    count = torch.cuda.device_count()
    if devices is None or devices == _ALL:
        return list(range(count))
    numbers = list(range(devices)) if isinstance(devices, int) else devices
    if (isinstance(devices, int) and devices < 0) or min(numbers, default=0) < 0:
        cure = "Use -1, or auto, for all GPUs; their numbers begin with 0."
        raise ConfigurationError("devices", f"{devices}, but there are no GPUs below 0", cure)
    if len(set(numbers)) < len(numbers):
        raise ConfigurationError("devices", f"{devices} names a GPU twice", "Name each once.")
    if max(numbers) >= count:
        raise ConfigurationError(
            "devices",
            f"{devices}, but PyTorch finds {count} GPU{'' if count == 1 else 's'} on this machine",
            "Omit it, or use auto, for all of them.",
        )
    return numbers
