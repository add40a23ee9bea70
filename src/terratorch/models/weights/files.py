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
        WeightsError: If it is another one.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise WeightsError(
            f"Weight file '{path}'",
            f"its sha256 is {found}, not {expected}",
            "It is damaged or another file: delete it and download it again.",
        )


def read_checkpoint_file(path: str | os.PathLike[str]) -> object:
    """Read what a safetensors file or a file of `torch.save` holds, to the CPU.

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
        raise _unreadable(path, "it begins otherwise than a file of torch.save")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"Weight file '{path}'",
            "is damaged, is no weight file, or holds Python objects besides tensors, which could "
            "run code",
            "Where it was made, save the state dict alone: torch.save(model.state_dict(), ...).",
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
        WeightsError: If it cannot be read, or holds no state dict.
    """
    return state_dict_in(read_checkpoint_file(path), path)


def state_dict_in(checkpoint: object, path: str | os.PathLike[str]) -> StateDict:
    """Return the state dict in what a file holds.

    Args:
        checkpoint: What it holds.
        path: The file, for the message.

    Raises:
        WeightsError: If it holds none.
    """
    state = find_state_dict(checkpoint)
    if state is None:
        held = ", ".join(map(str, list(checkpoint)[:8])) if isinstance(checkpoint, Mapping) else ""
        raise WeightsError(
            f"Weight file '{path}'",
            f"holds no state dict (it holds: {held or type(checkpoint).__name__})",
            "Give a file of tensors by name, alone or under the key 'state_dict'.",
        )
    return state
