"""Find or download the file that a model starts from."""

from __future__ import annotations

import os
from pathlib import Path

from terratorch.errors import WeightsError
from terratorch.models.family import ModelCard, WeightFile
from terratorch.models.weights.files import existing_file, verify_sha256
from terratorch.models.weights.hub import hub_file


def weights_file(
    card: ModelCard, pretrained: bool, ckpt_path: str | os.PathLike[str] | None
) -> Path | None:
    """Return the weight file that a model starts from; download it if necessary.

    Args:
        card: The card of the model.
        pretrained: Whether to start from published weights.
        ckpt_path: A file to use instead, even if `pretrained` is false.

    Raises:
        MissingFileError: If `ckpt_path` does not exist.
        WeightsError: If there are no published weights, or they cannot be downloaded.
    """
    if ckpt_path is not None:
        return existing_file(ckpt_path)
    if not pretrained:
        return None
    if card.weights is None:
        raise WeightsError(
            f"'{card.name}' with pretrained=True",
            "it has no published weights",
            "Set pretrained to false, or give a file as backbone_ckpt_path.",
        )
    return download(card.weights)


def download(row: WeightFile) -> Path:
    """Return a published file, downloading it the first time.

    Raises:
        WeightsError: If it cannot be downloaded, or is not the file that it should be.
    """
    path = hub_file(row.repo, row.file, row.revision)
    if row.sha256 is not None:
        verify_sha256(path, row.sha256)
    return path
