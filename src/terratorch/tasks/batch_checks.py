"""Checks of each batch: NaN in the image, targets that no class has, a loss that is NaN.

All of them are one read from the device a step. The loss is read at the step after, so that reading
it does not hold up the backward pass.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from terratorch.errors import ConfigurationError, DataError
from terratorch.logs import warn_once

logger = logging.getLogger(__name__)

_SHOWN = 4
RESCALE = "Set model.init_args.model_args.rescale: true to resize predictions to the image."


class BatchChecks:
    """Checks batches, and counts those that are wholly ignored.

    Attributes:
        ignored_batches: How many batches had no target that counts.
    """

    def __init__(self) -> None:
        self.ignored_batches = 0
        self._told = 0
        # Batches since the last `finish` of a stage, and those of them with a target that counts.
        self._seen: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        self._loss: Tensor | None = None
        self._loss_files = ""

    def check(
        self,
        batch: Mapping[str, Any],
        target: Tensor,
        valid: Tensor | None,
        num_classes: int | None = None,
        stage: str = "train/",
    ) -> bool:
        """Raise a `DataError` unless a batch can be trained on; return whether a target counts.

        Args:
            batch: The batch.
            target: Its target.
            valid: Where the target counts; None where it does everywhere.
            num_classes: How many classes there are; None where the target is no class id.
            stage: What the batch is for, as in the names of metrics: `train/`.
        """
        image = batch["image"]
        images = list(image.values()) if isinstance(image, Mapping) else [image]
        sums = [one.sum(dtype=torch.float32) for one in images]
        some = torch.ones((), device=target.device) if valid is None else valid.any()
        counted = target if valid is None else target.where(valid, 0)
        lowest, highest = torch.aminmax(counted)
        loss = lowest if self._loss is None else self._loss
        values = torch.stack(
            [one.float().to(target.device) for one in (lowest, highest, some, loss, *sums)]
        )
        low, high, has_some, last_loss, *totals = values.tolist()
        if self._loss is not None:
            _check_loss(last_loss, self._loss_files)
        if not all(math.isfinite(total) for total in totals):
            _report_image(images, batch)
        if num_classes is not None and (low < 0 or high >= num_classes):
            _report_labels(counted, batch, num_classes)
        self._seen[stage] += 1
        self._counted[stage] += bool(has_some)
        if not has_some:
            self._count_ignored(batch)
        return bool(has_some)

    def counts(self, stage: str) -> tuple[int, int]:
        """Return how many batches of a stage there were, and how many had a target that counts."""
        return self._seen[stage], self._counted[stage]

    def remember_loss(self, loss: Tensor, batch: Mapping[str, Any]) -> None:
        """Keep a loss, to be checked at the next step."""
        self._loss, self._loss_files = loss.detach(), files_of(batch)

    def finish(self, *stages: str) -> None:
        """Check the loss of the last step, and tell how many batches were wholly ignored so far.

        Args:
            stages: The stages whose epoch ends.
        """
        for stage in stages:
            self._seen[stage] = self._counted[stage] = 0
        loss, self._loss = self._loss, None
        if loss is not None:
            _check_loss(loss.item(), self._loss_files)
        if self.ignored_batches > max(self._told, 1):
            logger.info("%d batches so far were wholly ignored", self.ignored_batches)
            self._told = self.ignored_batches

    def _count_ignored(self, batch: Mapping[str, Any]) -> None:
        self.ignored_batches += 1
        warn_once(
            logger,
            "%s: every target of the batch is ignored, it adds zero loss (said once)",
            files_of(batch),
            owner=self,
        )


def shapes_differ(key: str, target: Tensor, prediction: Tensor, cure: str) -> DataError:
    """Return the error of a target that does not have the shape of the prediction."""
    shapes = tuple(target.shape), tuple(prediction.shape)
    return DataError(key, "its shape is {}, that of the prediction {}".format(*shapes), cure)


def _check_loss(loss: float, files: str) -> None:
    if math.isnan(loss):
        raise DataError(
            files,
            "the loss of this batch is NaN",
            "The images hold no NaN, so the training has diverged: lower model.init_args.lr, or "
            "set trainer.gradient_clip_val.",
        )


def _report_image(images: list[Tensor], batch: Mapping[str, Any]) -> None:
    """Raise for the files whose image holds NaN; a sum that only overflowed is none."""
    bad = torch.stack([(~torch.isfinite(one)).flatten(1).any(1) for one in images]).any(0)
    if bad.any():
        raise DataError(
            files_of(batch, bad.nonzero().flatten().tolist()),
            "the image holds NaN or infinite values",
            "Set data.init_args.no_data_replace to the value that takes their place.",
        )


def _report_labels(counted: Tensor, batch: Mapping[str, Any], num_classes: int) -> None:
    outside = (counted < 0) | (counted >= num_classes)
    ids = [int(value) for value in counted[outside].unique().tolist()]
    files = outside.reshape(len(outside), -1).any(1).nonzero().flatten().tolist()
    count = int(outside.sum())
    what = f"{'label' if counted.ndim == 1 else 'pixel'}{'' if count == 1 else 's'}"
    raise DataError(
        f"label of {files_of(batch, files)}",
        f"ids {_some(ids)} ({count} {what}), "
        f"but num_classes {num_classes} means ids 0 to {num_classes - 1}",
        "Set model.init_args.ignore_index to leave an id out, data.init_args.no_label_replace "
        "where it means nodata, data.init_args.reduce_zero_label where ids start at 1, or raise "
        "model.init_args.model_args.num_classes.",
    )


def files_of(batch: Mapping[str, Any], indices: list[int] | None = None) -> str:
    """Say which files a batch is of, or some of its samples."""
    names = filenames_of(batch)
    if names is None:
        return "batch" if indices is None else f"samples {_some(indices)} of a batch"
    return _some(names if indices is None else [names[index] for index in indices])


def filenames_of(batch: Mapping[str, Any]) -> list[str] | None:
    """Return the name of the file of each sample of a batch; None where it has none.

    Args:
        batch: The batch, whose `filename` holds them, or those of each modality: then the first
            stand for all.
    """
    names = batch.get("filename")
    while isinstance(names, Mapping):
        names = next(iter(names.values()), None)
    return None if names is None else [str(name) for name in names]


def _some(values: list[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:_SHOWN])
    more = len(values) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def check_epoch(trainer: Any, checks: BatchChecks, stage: str, ignore_index: int | None) -> None:
    """Raise unless a target counted in an epoch: its loss would be zero, the best there is.

    Args:
        trainer: The Trainer; its trials of a few batches may happen on such.
        checks: What counted.
        stage: What the epoch is of, such as `train/`.
        ignore_index: What is ignored.

    Raises:
        DataError: If there were batches, and no target counted.
    """
    # All processes must come to the same end.
    counts = torch.tensor(checks.counts(stage), device=trainer.strategy.root_device)
    seen, counted = trainer.strategy.reduce(counts, reduce_op="sum").tolist()
    if seen and not counted and not trainer.sanity_checking and not trainer.fast_dev_run:
        raise DataError(
            f"{stage.strip('/')} epoch {trainer.current_epoch}",
            f"no target counted, every label of its {seen} batches is ignored "
            f"(model.init_args.ignore_index {ignore_index})",
            "Look at the labels: no_label_replace and reduce_zero_label of data.init_args, and "
            "ignore_index, must leave some of them.",
        )


def check_same_classes(datamodule: Any, num_classes: int | None) -> None:
    """Raise unless a data module has as many classes as the model.

    Args:
        datamodule: The data module of the Trainer; one without `num_classes` is not asked.
        num_classes: The classes of the model; None where it has none.

    Raises:
        ConfigurationError: If the numbers differ.
    """
    of_data = getattr(datamodule, "num_classes", None)
    if num_classes is not None and isinstance(of_data, int) and of_data != num_classes:
        raise ConfigurationError(
            "data.init_args.num_classes",
            f"is {of_data}, but model.init_args.model_args.num_classes is {num_classes}",
            "Give both the number of classes that the labels have.",
        )
