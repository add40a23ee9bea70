"""Weight files: find or download, read safely, fit to the model, load strictly.

Everything that loads weights comes through here. Files are safetensors, or torch's own format read
with `weights_only=True`: never plain pickle, which can run code.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from terratorch.errors import MissingFileError, WeightsError
from terratorch.models.hub import hub_file
from terratorch.models.weights_table import WEIGHTS, WeightRow, weights_of
from terratorch.ops.state_dict import StateDict, compare_states, find_state_dict, match_bands
from terratorch.ops.torch_files import is_of_torch

__all__ = [
    "WEIGHTS",
    "WeightRow",
    "adapt_first_projection",
    "load_state_dict_file",
    "load_strictly",
    "read_checkpoint_file",
    "weights_file",
    "weights_of",
]

logger = logging.getLogger(__name__)


def weights_file(
    name: str, pretrained: bool, ckpt_path: str | os.PathLike[str] | None
) -> Path | None:
    """Return the weight file that a model is to start from, downloading it where necessary.

    Args:
        name: The registered name of the model.
        pretrained: Whether to start from published weights.
        ckpt_path: A file to use instead, whatever `pretrained` says.

    Raises:
        MissingFileError: If `ckpt_path` does not exist.
        WeightsError: If there are no published weights, or they cannot be had.
    """
    if ckpt_path is not None:
        return _existing(Path(ckpt_path))
    if not pretrained:
        return None
    row = weights_of(name)
    if row is None:
        raise WeightsError(
            f"'{name}' with pretrained=True",
            "there are no published weights of it",
            "Set pretrained to false, or give a file as backbone_ckpt_path.",
        )
    return download(row)


def _existing(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_file():
        seen = "is a folder" if path.is_dir() else "does not exist"
        raise MissingFileError(f"ckpt_path '{path}'", seen, "Give the path of a weight file.")
    return path


def download(row: WeightRow) -> Path:
    """Return a published file, downloading it the first time.

    Raises:
        WeightsError: If it cannot be downloaded, or is not the file that it should be.
    """
    path = hub_file(row.repo, row.file, row.revision)
    if row.sha256 is not None:
        verify_sha256(path, row.sha256)
    return path


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


def read_checkpoint_file(path: str | os.PathLike[str]) -> Any:
    """Read what a safetensors file or a file of `torch.save` holds, to the CPU.

    Raises:
        MissingFileError: If there is no such file.
        WeightsError: If it cannot be read, or holds objects that could run code.
    """
    path = _existing(Path(path))
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


def state_dict_in(checkpoint: Any, path: str | os.PathLike[str]) -> StateDict:
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


def load_strictly(
    model: nn.Module, state: Mapping[str, Tensor], source: str, optional: Sequence[str] = ()
) -> None:
    """Load a state dict into a model: every key must fit.

    Args:
        model: The model.
        state: Its weights.
        source: What they are called in messages, such as the path of the file.
        optional: Parts of keys that may be missing: those that keep their initial values.

    Raises:
        WeightsError: If keys are missing, unexpected or of another shape; all are counted.
    """
    difference = compare_states(state, model.state_dict(), optional)
    if difference:
        raise WeightsError(
            f"Weights '{source}'",
            f"do not fit {type(model).__name__}: {difference}",
            "Check that name, sizes and options of the model are those of the file.",
        )
    model.load_state_dict(dict(state), strict=False)
    logger.info("Loaded %d tensors from %s.", len(state), source)


def adapt_first_projection(
    state: StateDict,
    key: str,
    fresh: Tensor,
    bands_of_file: Sequence[str | int],
    bands: Sequence[str | int],
    source: str,
) -> StateDict:
    """Fit the first projection of a state dict to the bands of the model, by name, and log it.

    Args:
        state: The weights.
        key: The key of the projection.
        fresh: The initialised weight of the model `(D, bands, ...)`.
        bands_of_file: The bands that the file was trained on.
        bands: The bands of the model.
        source: What the weights are called in messages.

    Returns:
        The weights with another projection. A projection of another patch stays as initialised.

    Raises:
        WeightsError: If the file has not as many bands as it is said to have.
    """
    if key not in state:
        return state  # named as missing when the whole is loaded
    weight = state[key]
    if weight.shape[1] != len(bands_of_file):
        raise WeightsError(
            f"Weights '{source}'",
            f"'{key}' has {weight.shape[1]} bands, not the {len(bands_of_file)} of the published "
            f"weights ({', '.join(map(str, bands_of_file))})",
            "Name the bands of the file as backbone_pretrained_bands (pretrained_bands in Python).",
        )
    if weight.shape[0] == fresh.shape[0] and weight.shape[2:] != fresh.shape[2:]:
        logger.warning(
            "%s: '%s' is for patches of %s, the model has %s. It stays randomly initialised.",
            source,
            key,
            tuple(weight.shape[2:]),
            tuple(fresh.shape[2:]),
        )
        return {**state, key: fresh}
    if weight.shape[0] != fresh.shape[0] or tuple(bands) == tuple(bands_of_file):
        return state
    _log_bands(bands_of_file, bands, source)
    return {**state, key: match_bands(weight, bands_of_file, fresh, bands)}


def _log_bands(bands_of_file: Sequence[str | int], bands: Sequence[str | int], source: str) -> None:
    copied = [band for band in bands if band in bands_of_file]
    new = [band for band in bands if band not in bands_of_file]
    if copied:
        logger.info("%s: weights of the bands %s are copied by name.", source, copied)
    if new:
        logger.warning(
            "%s was not trained on the bands %s: their weights are randomly initialised.",
            source,
            new,
        )
