"""Check what a Trainer is to run on before a model is built."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer

from terratorch.cli.terminal.logs import quiet_lightning
from terratorch.errors import ConfigurationError

_CURES = {
    "accelerator": "Leave it out, or use auto or cpu.",
    "devices": "Leave it out, or use auto for all devices; on CPUs it is the number of processes.",
    "precision": "Leave it out for 32; 16-mixed and bf16-mixed save memory on GPUs.",
}
_NO_CUDA = f" This PyTorch ({torch.__version__}) is built without CUDA."


def check_hardware(arguments: Mapping[str, object], section: str = "trainer.") -> None:
    """Raise an error for an accelerator, devices or a precision that a Trainer refuses.

    Args:
        arguments: Arguments of the Trainer; those of other names are not used.
        section: Where they stand in the configuration, for the message.

    Raises:
        ConfigurationError: With Lightning's message and the name of the argument.
    """
    checked = {}
    for name, cure in _CURES.items():
        value = arguments.get(name)
        if value is None:
            continue
        checked[name] = value
        try:
            with quiet_lightning(), warnings.catch_warnings(action="ignore"):
                Trainer(**checked, logger=False, enable_checkpointing=False)  # type: ignore[arg-type]
        except (MisconfigurationException, TypeError, ValueError) as error:
            if value in ("gpu", "cuda") and not (torch.version.cuda or torch.version.hip):
                cure += _NO_CUDA
            seen = f"{value!r} cannot be used: {error}".rstrip(".")
            raise ConfigurationError(f"{section}{name}", seen, cure) from error
