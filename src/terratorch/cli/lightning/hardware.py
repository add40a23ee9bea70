"""Check the hardware and the precision of a Trainer before a model is built."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer

from terratorch.cli.terminal.logs import quiet_lightning
from terratorch.errors import ConfigurationError

_ADVICE = {
    "accelerator": "Omit it, or use auto or cpu.",
    "devices": "Omit it, or use auto for all devices; on CPUs it is the number of processes.",
    "precision": "Omit it for 32; 16-mixed and bf16-mixed save memory on GPUs.",
}
_NO_CUDA = f" This PyTorch ({torch.__version__}) is built without CUDA."


def check_hardware(arguments: Mapping[str, object], section: str = "trainer.") -> None:
    """Raise an error for an accelerator, devices or a precision that a Trainer refuses.

    Args:
        arguments: Arguments of the Trainer; others are ignored.
        section: Their section in the configuration, for the message.

    Raises:
        ConfigurationError: With Lightning's message and the name of the argument.
    """
    checked = {name: arguments[name] for name in _ADVICE if arguments.get(name) is not None}
    if _refusal(checked) is None:
        return
    for count, (name, value) in enumerate(checked.items(), start=1):  # which one is it?
        error = _refusal(dict(list(checked.items())[:count]))
        if error is not None:
            advice = _ADVICE[name]
            if value in ("gpu", "cuda") and not (torch.version.cuda or torch.version.hip):
                advice += _NO_CUDA
            problem = f"{value!r} cannot be used: {error}".rstrip(".")
            raise ConfigurationError(f"{section}{name}", problem, advice) from error


def _refusal(arguments: Mapping[str, object]) -> Exception | None:
    """Return the error of a Trainer with these arguments, or None."""
    try:
        with quiet_lightning(), warnings.catch_warnings(action="ignore"):
            Trainer(**arguments, logger=False, enable_checkpointing=False)  # type: ignore[arg-type]
    except (MisconfigurationException, TypeError, ValueError) as error:
        return error
    return None
