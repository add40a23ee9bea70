"""Scores of the chips of a batch, with the counts that a report is computed from.

Counting runs in torch, on the device of the batch; torch is imported on first use, since a report
is rendered without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from terratorch.evaluation.evaluation import ChipScore
from terratorch.evaluation.thumbnails import thumbnail_grid
from terratorch.metrics import formulas

if TYPE_CHECKING:
    from torch import Tensor

_NAN = float("nan")
_NEARLY_ALL = 0.95


@dataclass(frozen=True)
class ScoredBatch:
    """The result of a test step.

    Attributes:
        filenames: The file of each chip.
        scores: The output of the model's main head, `(B, C, ...)` or `(B, ...)`.
        decided: Class ids or values, as the metrics count them.
        target: The target in the same form.
        valid: True for targets that count, in the same form.
    """

    filenames: Sequence[str]
    scores: Tensor
    decided: Tensor
    target: Tensor
    valid: Tensor


class ThumbnailParts(TypedDict, total=False):
    """The fields of a `Thumbnail` that depend on the type of output."""

    target: NDArray[np.float32]
    prediction: NDArray[np.float32]
    valid: NDArray[np.bool_]
    caption: str


def score_class_maps(
    batch: ScoredBatch, num_classes: int, ignore_index: int | None
) -> list[ChipScore]:
    """Return chips with maps of classes: one confusion matrix each, counted in one call."""
    import torch

    cells = num_classes**2
    pairs = (batch.target * num_classes + batch.decided).where(batch.valid, cells).flatten(1)
    offsets = torch.arange(len(pairs), device=pairs.device)[:, None] * (cells + 1)
    counts = torch.bincount((pairs + offsets).flatten(), minlength=len(pairs) * (cells + 1))
    flat = counts.view(len(pairs), cells + 1)[:, :cells].cpu().numpy()
    matrices = flat.reshape(-1, num_classes, num_classes)
    mean_iou = formulas.mean_iou(formulas.counts_of_matrix(matrices, ignore_index))
    scores = np.where(flat.any(1), mean_iou, _NAN)
    return [
        ChipScore(name, float(score), cells=_nonzero_cells(matrix))
        for name, score, matrix in zip(batch.filenames, scores, flat, strict=True)
    ]


def _nonzero_cells(matrix: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    (places,) = matrix.nonzero()
    return tuple(zip(places.tolist(), matrix[places].tolist(), strict=True))


def score_labels(batch: ScoredBatch, num_classes: int, ignore_index: int | None) -> list[ChipScore]:
    """Return chips with one label: a single cell each."""
    target = batch.target.where(batch.valid, 0)
    probabilities = batch.scores.float().softmax(dim=1)
    # NaN, from a model that diverged, ranks below every wrong class.
    right = probabilities.gather(1, target[:, None])[:, 0].nan_to_num(nan=-float("inf")).tolist()
    cells = (target * num_classes + batch.decided).tolist()
    counted = batch.valid.tolist()
    return [
        ChipScore(name, score, cells=((cell, 1),)) if counts else ChipScore(name, _NAN)
        for name, score, cell, counts in zip(batch.filenames, right, cells, counted, strict=True)
    ]


def score_value_maps(
    batch: ScoredBatch, num_classes: int, ignore_index: int | None
) -> list[ChipScore]:
    """Return chips with maps of values: sums of values and errors."""
    import torch

    valid = batch.valid
    # Single precision loses digits over millions of squares; Apple GPUs have no double.
    dtype = torch.float32 if valid.device.type == "mps" else torch.float64
    target = batch.target.to(dtype).where(valid, 0).flatten(1)
    error = (batch.decided.to(dtype) - batch.target.to(dtype)).where(valid, 0).flatten(1)
    parts = (valid.flatten(1), target, target.square(), error.abs(), error.square())
    sums = torch.stack([part.sum(1, dtype=dtype) for part in parts], dim=1).cpu().numpy()
    errors = formulas.root_mean_squared_error(formulas.ValueSums(*sums.astype(np.float64).T))
    # A prediction that is not finite is the worst score, not a missing one.
    errors = np.where(sums[:, 0] > 0, np.nan_to_num(errors, nan=np.inf, posinf=np.inf), _NAN)
    return [
        ChipScore(name, float(score), sums=tuple(row))
        for name, score, row in zip(batch.filenames, errors, sums.tolist(), strict=True)
    ]


def map_parts(batch: ScoredBatch, index: int, class_names: Sequence[str]) -> ThumbnailParts:
    """Return label and prediction of a chip as small maps."""
    share = float(batch.valid[index].float().mean())
    return {
        "target": shrunk(batch.target[index]),
        "prediction": shrunk(batch.decided[index]),
        "valid": shrunk(batch.valid[index]) > 0,
        "caption": "" if share > _NEARLY_ALL else f"{100 * share:.2g} % of it has a label",
    }


def label_parts(batch: ScoredBatch, index: int, class_names: Sequence[str]) -> ThumbnailParts:
    """Return label and prediction of a chip as words."""
    true, predicted = int(batch.target[index]), int(batch.decided[index])
    right = true == predicted
    outcome = "predicted correctly" if right else f"predicted as {class_names[predicted]}"
    return {"caption": f"{class_names[true]}, {outcome}"}


def shrunk(values: Tensor) -> NDArray[np.float32]:
    """Return maps `(..., H, W)` at the size of a thumbnail, in main memory."""
    import torch

    rows, columns = map(torch.from_numpy, thumbnail_grid(*values.shape[-2:]))
    chosen = values[..., rows.to(values.device), :][..., columns.to(values.device)]
    small: NDArray[np.float32] = chosen.float().cpu().numpy()
    return small
