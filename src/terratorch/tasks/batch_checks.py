"""Checks of each batch: NaN in the image, labels outside the classes, a loss that is NaN.

Together they read from the device once a step. The loss is read at the next step, so that reading
it does not hold up the backward pass.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from terratorch.errors import DataError
from terratorch.logs import warn_once
from terratorch.tasks.step_result import Batch, RawTarget

logger = logging.getLogger(__name__)

_SHOWN = 4
RESCALE = "Set model.init_args.model_args.rescale: true to resize predictions to the image."


class BatchChecks:
    """Check batches, and count those that are wholly ignored.

    Attributes:
        ignored_batches: The number of batches without a target that counts.
    """

    def __init__(self) -> None:
        self.ignored_batches = 0
        self._logged = 0
        # Batches since the last `finish` of a stage, and those of them with a target that counts.
        self._seen: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        self._loss: Tensor | None = None
        self._loss_files = ""

    def check(
        self, batch: Batch, targets: Sequence[RawTarget], stage: str = "train/"
    ) -> list[bool]:
        """Raise a `DataError` if a batch cannot be trained on; return which targets count.

        Args:
            batch: The batch.
            targets: Its targets.
            stage: The stage, as in the names of metrics: `train/`.

        Returns:
            For each target whether any of its values counts.
        """
        images = _images_of(batch)
        counted = [_counted(target) for target in targets]
        values = [image.sum(dtype=torch.float32) for image in images]
        for target, labels in zip(targets, counted, strict=True):
            has_some = labels.new_ones(()) if target.valid is None else target.valid.any()
            values += [*torch.aminmax(labels), has_some]
        if self._loss is not None:
            values.append(self._loss)
        device = values[-1].device
        read = torch.stack([value.float().to(device) for value in values]).tolist()
        if self._loss is not None:
            _check_loss(read.pop(), self._loss_files)
        if not all(math.isfinite(total) for total in read[: len(images)]):
            _report_image(images, batch)
        counts = []
        for index, target in enumerate(targets):
            low, high, has_some = read[len(images) + 3 * index :][:3]
            count = target.num_classes
            if count is not None and (low < 0 or high >= count):
                _report_labels(counted[index], batch, count)
            counts.append(bool(has_some))
        self._seen[stage] += 1
        self._counted[stage] += any(counts) or not targets
        if targets and not any(counts):
            self._count_ignored(batch)
        return counts

    def counts(self, stage: str) -> tuple[int, int]:
        """Return the number of batches of a stage, and of those with a target that counts."""
        return self._seen[stage], self._counted[stage]

    def remember_loss(self, loss: Tensor, batch: Batch) -> None:
        """Keep a loss, to check it at the next step."""
        self._loss, self._loss_files = loss.detach(), files_of(batch)

    def finish(self, *stages: str) -> None:
        """Check the loss of the last step, and log how many batches were wholly ignored so far.

        Args:
            stages: The stages whose epoch ends.
        """
        for stage in stages:
            self._seen[stage] = self._counted[stage] = 0
        loss, self._loss = self._loss, None
        if loss is not None:
            _check_loss(loss.item(), self._loss_files)
        if self.ignored_batches > max(self._logged, 1):
            logger.info("%d batches so far were wholly ignored", self.ignored_batches)
            self._logged = self.ignored_batches

    def _count_ignored(self, batch: Batch) -> None:
        self.ignored_batches += 1
        warn_once(
            logger,
            "%s: every target of the batch is ignored, so its loss is zero (logged once)",
            files_of(batch),
            owner=self,
        )


def shapes_differ(key: str, target: Tensor, prediction: Tensor, cure: str) -> DataError:
    """Return the error for a target that does not have the shape of the prediction."""
    shapes = tuple(target.shape), tuple(prediction.shape)
    return DataError(key, "its shape is {}, that of the prediction {}".format(*shapes), cure)


def batch_size_of(batch: Batch) -> int:
    """Return the number of samples of a batch."""
    return len(_images_of(batch)[0])


def _images_of(batch: Batch) -> list[Tensor]:
    image = batch["image"]
    return list(image.values()) if isinstance(image, Mapping) else [image]


def _counted(target: RawTarget) -> Tensor:
    """Return the values of a target, with 0 in place of those that do not count."""
    return target.values if target.valid is None else target.values.where(target.valid, 0)


def _check_loss(loss: float, files: str) -> None:
    if math.isnan(loss):
        raise DataError(
            files,
            "the loss of this batch is NaN",
            "The images hold no NaN, so the training has diverged: lower model.init_args.lr, or "
            "set trainer.gradient_clip_val.",
        )


def _report_image(images: list[Tensor], batch: Batch) -> None:
    """Raise for the files whose image holds NaN; a sum may only have overflowed."""
    bad = torch.stack([(~torch.isfinite(image)).flatten(1).any(1) for image in images]).any(0)
    if bad.any():
        raise DataError(
            files_of(batch, bad.nonzero().flatten().tolist()),
            "the image holds NaN or infinite values",
            "Set data.init_args.no_data_replace to the value that replaces them.",
        )


def _report_labels(counted: Tensor, batch: Batch, num_classes: int) -> None:
    outside = (counted < 0) | (counted >= num_classes)
    ids = [int(value) for value in counted[outside].unique().tolist()]
    files = outside.reshape(len(outside), -1).any(1).nonzero().flatten().tolist()
    count = int(outside.sum())
    what = f"{'label' if counted.ndim == 1 else 'pixel'}{'' if count == 1 else 's'}"
    raise DataError(
        f"label of {files_of(batch, files)}",
        f"ids {_some(ids)} ({count} {what}), "
        f"but num_classes {num_classes} means ids 0 to {num_classes - 1}",
        "Set model.init_args.ignore_index to ignore an id, data.init_args.no_label_replace "
        "if it means nodata, data.init_args.reduce_zero_label if ids start at 1, or raise "
        "model.init_args.model_args.num_classes.",
    )


def files_of(batch: Batch, indices: list[int] | None = None) -> str:
    """Return the file names of a batch, or of some of its samples, for a message."""
    names = filenames_of(batch)
    if names is None:
        return "batch" if indices is None else f"samples {_some(indices)} of a batch"
    return _some(names if indices is None else [names[index] for index in indices])


def filenames_of(batch: Batch) -> list[str] | None:
    """Return the file name of each sample of a batch; None if it has none.

    Args:
        batch: The batch. Its `filename` holds names, or those of each modality: then the names of
            the first modality are returned.
    """
    names = batch.get("filename")
    while isinstance(names, Mapping):
        names = next(iter(names.values()), None)
    return None if names is None else [str(name) for name in names]


def _some(values: Sequence[object]) -> str:
    shown = ", ".join(str(value) for value in values[:_SHOWN])
    more = len(values) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
