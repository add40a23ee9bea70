"""Read weight files: safetensors, or torch's own format without pickle, which can run code."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch

from terratorch.errors import MissingFileError, WeightsError
from terratorch.ops.state_dict import StateDict, find_state_dict
from terratorch.ops.torch_files import is_of_torch


def existing_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file.

    Raises:
        MissingFileError: If there is no such file.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        seen = "is a folder" if file.is_dir() else "does not exist"
        raise MissingFileError(f"ckpt_path '{file}'", seen, "Give the path of a weight file.")
    return file


def verify_sha256(path: Path, expected: str) -> None:
    """Check a file against its checksum.

    Raises:
        WeightsError: If it differs.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != expected:
        raise WeightsError(
            f"Weight file '{path}'",
            f"its sha256 is {digest}, not {expected}",
            "It is damaged or another file: delete it and download it again.",
        )


def read_checkpoint_file(path: str | os.PathLike[str]) -> object:
    """Return the content of a safetensors file or a file of `torch.save`, on the CPU.

    Raises:
        MissingFileError: If there is no such file.
        WeightsError: If it cannot be read, or holds objects that could run code.
    """
    path = existing_file(path)
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise _unreadable(path, str(error)) from error
    if not is_of_torch(path):
        raise _unreadable(path, "it does not start like a file of torch.save")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"Weight file '{path}'",
            "is damaged, is not a weight file, or holds Python objects other than tensors, which "
            "could run code",
            "Save only the state dict: torch.save(model.state_dict(), ...).",
        ) from error
    except (RuntimeError, EOFError, OSError) as error:  # truncated archives are RuntimeErrors
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, reason: str) -> WeightsError:
    first_line = reason.partition("\n")[0]
    return WeightsError(
        f"Weight file '{path}'",
        f"cannot be read ({first_line})",
        "Is it complete? Download it again.",
    )


def load_state_dict_file(path: str | os.PathLike[str]) -> StateDict:
    """Read the state dict in a weight file or checkpoint.

    Raises:
        MissingFileError: If there is no such file.
        WeightsError: If it cannot be read, or does not hold a state dict.
    """
    return state_dict_in(read_checkpoint_file(path), path)


def state_dict_in(checkpoint: object, path: str | os.PathLike[str]) -> StateDict:
    """Return the state dict in the content of a file.

    Args:
        checkpoint: The content.
        path: The file, for the message.

    Raises:
        WeightsError: If there is no state dict.
    """
    state = find_state_dict(checkpoint)
    if state is None:
        keys = ", ".join(map(str, list(checkpoint)[:8])) if isinstance(checkpoint, Mapping) else ""
        raise WeightsError(
            f"Weight file '{path}'",
            f"holds no state dict (it holds: {keys or type(checkpoint).__name__})",
            "Give a file of tensors by name, alone or under the key 'state_dict'.",
        )
    return state
