"""From the result of a test step to the statistics of its chips: what a report is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terratorch.evaluation import scores
from terratorch.evaluation.evaluation import ChipScore, Kind
from terratorch.evaluation.pages.panels import ChipKeeper, Thumbnail, thumbnail_places
from terratorch.tasks.batch_checks import filenames_of
from terratorch.tasks.step_result import StepResult

_NAN = float("nan")
_NEARLY_ALL = 0.95


@dataclass
class ChipCollector:
    """Collects the chips of a test set.

    Args:
        kind: What is evaluated.
        class_names: Names of the classes; empty for values.
        ignore_index: The target that counts nowhere.
        rgb: Which bands are red, green and blue.
        modality: Of which images, where there are several; None for the first.
        process: The number of the process, for the names of chips that have none.
    """

    kind: Kind
    class_names: Sequence[str]
    ignore_index: int | None
    rgb: Sequence[int]
    modality: str | None = None
    process: int = 0
    chips: list[ChipScore] = field(default_factory=list)
    keeper: ChipKeeper = field(default_factory=ChipKeeper)

    def __post_init__(self) -> None:
        self.keeper.higher_is_better = self.kind is not Kind.REGRESSION

    def add(self, result: StepResult, valid: Tensor | None, batch: Mapping[str, Any]) -> None:
        """Add the chips of a batch.

        Args:
            result: What the test step found.
            valid: Where the target counts; None where it does everywhere.
            batch: The batch, with its images as the model saw them.
        """
        valid = torch.ones_like(result.target, dtype=torch.bool) if valid is None else valid
        names = filenames_of(batch) or self._made_up_names(len(result.target))
        for index, chip in enumerate(_SCORERS[self.kind](self, names, result, valid)):
            self.chips.append(chip)
            if chip.score == chip.score:
                self.keeper.add(chip.score, self._thumbnail(chip, index, result, valid, batch))

    def _made_up_names(self, count: int) -> list[str]:
        # The same name in two processes would be a chip that was tested twice.
        of = f" of process {self.process}" if self.process else ""
        first = len(self.chips)
        return [f"chip {index}{of}" for index in range(first, first + count)]

    def _thumbnail(
        self,
        chip: ChipScore,
        index: int,
        result: StepResult,
        valid: Tensor,
        batch: Mapping[str, Any],
    ) -> Callable[[], Thumbnail]:
        def make() -> Thumbnail:
            image = _rgb_image(batch["image"], index, self.rgb, self.modality)
            if self.kind is Kind.CLASSIFICATION:
                caption = self._caption(int(result.target[index]), int(result.decided[index]))
                return Thumbnail(chip.filename, chip.score, image, caption=caption)
            return Thumbnail(
                chip.filename,
                chip.score,
                image,
                _small(result.target[index].float()),
                _small(result.decided[index].float()),
                _small(valid[index]),
                _labelled(valid[index]),
            )

        return make

    def _caption(self, true: int, predicted: int) -> str:
        names = self.class_names
        if true == predicted:
            return f"{names[true]}, and predicted so"
        return f"{names[true]}, predicted as {names[predicted]}"


def _pixel_chips(
    collector: ChipCollector, names: Sequence[str], result: StepResult, valid: Tensor
) -> list[ChipScore]:
    """Return the chips of maps of classes: a confusion matrix each, counted in one go."""
    classes = len(collector.class_names)
    cells = classes**2
    pairs = (result.target * classes + result.decided).where(valid, cells).flatten(1)
    offsets = torch.arange(len(pairs), device=pairs.device)[:, None] * (cells + 1)
    counts = torch.bincount((pairs + offsets).flatten(), minlength=len(pairs) * (cells + 1))
    matrices = counts.view(len(pairs), cells + 1)[:, :cells].cpu().numpy()
    square = matrices.reshape(-1, classes, classes)
    stacked = [square.diagonal(axis1=1, axis2=2), square.sum(2), square.sum(1)]
    of_chips = scores.class_counts(
        np.concatenate(stacked, axis=1).astype(np.float64), collector.ignore_index
    )
    means = np.where(matrices.any(1), scores.mean_iou(of_chips), np.nan)
    return [
        ChipScore(name, float(score), cells=_cells(matrix))
        for name, score, matrix in zip(names, means, matrices, strict=True)
    ]


def _labelled(valid: Tensor) -> str:
    """Say how much of a chip counts, where that is not nearly all of it."""
    share = float(valid.float().mean())
    return "" if share > _NEARLY_ALL else f"{100 * share:.2g} % of it has a label"


def _cells(matrix: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    (places,) = matrix.nonzero()
    return tuple(zip(places.tolist(), matrix[places].tolist(), strict=True))


def _labelled_chips(
    collector: ChipCollector, names: Sequence[str], result: StepResult, valid: Tensor
) -> list[ChipScore]:
    """Return the chips of labels: one cell each."""
    classes = len(collector.class_names)
    target = result.target.where(valid, 0)
    probabilities = result.output.float().softmax(dim=1)
    # NaN, of a model that diverged, is the worst of all, and told apart from a wrong class.
    certain = probabilities.gather(1, target[:, None])[:, 0].nan_to_num(nan=-torch.inf).tolist()
    cells = (target * classes + result.decided).tolist()
    return [
        ChipScore(name, score, cells=((cell, 1),)) if counts else ChipScore(name, _NAN)
        for name, score, cell, counts in zip(names, certain, cells, valid.tolist(), strict=True)
    ]


def _value_chips(
    collector: ChipCollector, names: Sequence[str], result: StepResult, valid: Tensor
) -> list[ChipScore]:
    """Return the chips of maps of values: sums of values and errors."""
    # Millions of squares are too much for single precision; Apple's GPUs have no other.
    dtype = torch.float32 if valid.device.type == "mps" else torch.float64
    target = result.target.to(dtype).where(valid, 0).flatten(1)
    error = (result.decided.to(dtype) - result.target.to(dtype)).where(valid, 0).flatten(1)
    parts = (valid.flatten(1), target, target.square(), error.abs(), error.square())
    sums = torch.stack([part.sum(1, dtype=dtype) for part in parts], dim=1).cpu().numpy()
    errors = scores.root_mean_squared_error(scores.ValueSums(*sums.astype(np.float64).T))
    # A prediction that is no number is the worst of all, and not one that counts nowhere.
    errors = np.where(sums[:, 0] > 0, np.nan_to_num(errors, nan=np.inf, posinf=np.inf), np.nan)
    return [
        ChipScore(name, float(score), sums=tuple(row))
        for name, score, row in zip(names, errors, sums.tolist(), strict=True)
    ]


_SCORERS: dict[
    Kind, Callable[[ChipCollector, Sequence[str], StepResult, Tensor], list[ChipScore]]
] = {
    Kind.SEGMENTATION: _pixel_chips,
    Kind.CLASSIFICATION: _labelled_chips,
    Kind.REGRESSION: _value_chips,
}


def _rgb_image(
    images: Any, index: int, rgb: Sequence[int], modality: str | None
) -> NDArray[np.float32]:
    """Return three bands of an image of a batch: of its last time step, and of one modality."""
    while isinstance(images, Mapping):
        images = images[modality] if modality in images else next(iter(images.values()))
    image: Tensor = images[index]
    image = image[:, -1] if image.ndim == 4 else image
    bands = list(rgb) if max(rgb) < len(image) else [0, 0, 0]
    return np.moveaxis(_small(image[bands].float()), 0, -1)


def _small(values: Tensor) -> NDArray[Any]:
    """Return maps `(..., H, W)` at the size of a thumbnail, in main memory."""
    rows, columns = thumbnail_places(*values.shape[-2:])
    chosen = values[..., torch.from_numpy(rows).to(values.device), :]
    small: NDArray[Any] = chosen[..., torch.from_numpy(columns).to(values.device)].cpu().numpy()
    return small
