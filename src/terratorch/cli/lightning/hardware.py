"""What a Trainer is asked to run on: told when it is not there, before a model is built."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from terratorch.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from lightning.pytorch.accelerators import Accelerator

AUTO = "auto"
_GPU = "gpu"  # of which make it may be
_GPUS = ("cuda", "mps")
_ALL = -1  # as a number of GPUs
# `3`, `0,2`, `0,` for the first one, and `[0, 2]`.
_NUMBERS = re.compile(r"-?\d+|\d+(, *\d+)*,?|\[\d+(, *\d+)*\]")


def check_precision(precision: Any, section: str = "") -> None:
    """Refuse a precision that this version of Lightning does not have.

    Args:
        precision: The value; None is the default.
        section: Where it stands, such as `trainer.`, for the message.

    Raises:
        ConfigurationError: If it is none.
    """
    if not isinstance(precision, str | int | float):
        return
    known = precisions()
    if known and str(precision) not in known:
        raise ConfigurationError(
            f"{section}precision",
            f"{str(precision)!r} is none of {', '.join(known)}",
            did_you_mean(str(precision), known)
            or "Leave it out for 32; of these 16-mixed and bf16-mixed save memory on GPUs.",
        )


def precisions() -> list[str]:
    """Return the precisions of the Trainer; none where it does not tell them."""
    from lightning.pytorch import Trainer

    words = _words(inspect.signature(Trainer).parameters["precision"].annotation)
    return list(dict.fromkeys(map(str, words)))


def _words(hint: Any) -> Iterator[Any]:
    """Yield the values of all `Literal` in a type."""
    if get_origin(hint) is Literal:
        yield from get_args(hint)
        return
    for member in get_args(hint):
        yield from _words(member)


def check_hardware(accelerator: Any, devices: Any, section: str = "") -> None:
    """Refuse an accelerator or a number of devices that this machine does not have.

    Args:
        accelerator: A name; anything else is left to Lightning.
        devices: How many, or which; text of the command line, or what stands in the YAML.
        section: Where they stand, such as `trainer.`, for the message.

    Raises:
        ConfigurationError: If it does not have it.
    """
    accelerator = AUTO if accelerator is None else accelerator
    if not isinstance(accelerator, str):
        return
    _check_accelerator(accelerator, f"{section}accelerator")
    if devices not in (None, AUTO):
        _check_devices(devices, _chosen(accelerator), f"{section}devices")


def _check_accelerator(name: str, thing: str) -> None:
    import torch
    from lightning.pytorch.accelerators import AcceleratorRegistry

    names = (AUTO, _GPU, *sorted(AcceleratorRegistry.available_accelerators()))
    if name not in names:
        raise ConfigurationError(
            thing, f"{name!r} is none of {', '.join(names)}", did_you_mean(name, names)
        )
    if name != AUTO and not any(map(_is_there, _GPUS if name == _GPU else (name,))):
        cure = "Leave it out, or use auto or cpu."
        if name in (_GPU, "cuda") and torch.version.cuda is None and torch.version.hip is None:
            cure += f" If there is a GPU: this PyTorch ({torch.__version__}) is built without CUDA."
        raise ConfigurationError(thing, f"{name}, but PyTorch finds none on this machine", cure)


def _is_there(name: str) -> bool:
    return bool(_class_of(name).is_available())


def _class_of(name: str) -> type[Accelerator]:
    from lightning.pytorch.accelerators import AcceleratorRegistry

    found: type[Accelerator] = AcceleratorRegistry[name]["accelerator"]
    return found  # and not an object: some can only be made where their device is


def _chosen(accelerator: str) -> str:
    """Return the accelerator that the Trainer takes."""
    if accelerator not in (AUTO, _GPU):
        return accelerator
    candidates = ("tpu", "mps", "cuda") if accelerator == AUTO else ("mps", "cuda")
    return next(filter(_is_there, candidates), "cpu")


def _check_devices(given: Any, accelerator: str, thing: str) -> None:
    devices = _devices(given)
    if devices in (None, 0, []):
        raise ConfigurationError(
            thing, f"{given!r} is no number of devices", "Use 1 or more, or auto."
        )
    if accelerator in _GPUS:
        _check_gpus(devices, accelerator, thing)
    elif accelerator == "cpu" and (not isinstance(devices, int) or devices < 1):
        raise ConfigurationError(
            thing, f"{given}, but on CPUs it is the number of processes", "Use 1, or auto."
        )


def _check_gpus(devices: int | list[int], accelerator: str, thing: str) -> None:
    from torch import distributed

    numbers = devices if isinstance(devices, list) else []
    if len(set(numbers)) < len(numbers):
        raise ConfigurationError(thing, f"{devices} names a GPU twice", "Name each once.")
    if min(numbers, default=0) < 0 or (isinstance(devices, int) and devices < _ALL):
        cure = "Use -1, or auto, for all GPUs; their numbers begin with 0."
        raise ConfigurationError(thing, f"{devices}, but there are no GPUs below 0", cure)
    if distributed.is_available() and distributed.is_torchelastic_launched():
        return  # each process may see its own alone
    count = _class_of(accelerator).auto_device_count()
    last = devices if isinstance(devices, int) else max(devices) + 1
    if last > count:
        many = "" if count == 1 else "s"
        which = f", number{many} {_listed(range(count))}" if numbers else ""
        raise ConfigurationError(
            thing,
            f"{devices}, but PyTorch finds {count} GPU{many} on this machine{which}",
            "Leave it out, or use auto, for all there are.",
        )


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _devices(given: Any) -> Any:
    """Return how many devices, or a list of their numbers; None if it is neither."""
    if isinstance(given, str) and _NUMBERS.fullmatch(given.strip()):
        numbers = [int(number) for number in re.findall(r"-?\d+", given)]
        return numbers[0] if given.strip().lstrip("-").isdecimal() else numbers
    if isinstance(given, list) and all(type(device) is int for device in given):
        return given
    return given if type(given) is int else None  # and not a bool
