"""Checks of a whole epoch, and of the data module against the model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from lightning.pytorch import LightningDataModule, Trainer

from terratorch.errors import ConfigurationError, DataError
from terratorch.tasks.batch_checks import BatchChecks
from terratorch.tasks.settings import PATH


def check_epoch(trainer: Trainer, checks: BatchChecks, stage: str, ignore_index: object) -> None:
    """Raise if no target counted in an epoch: its loss would be zero, the best there is.

    Args:
        trainer: The Trainer; its sanity checks and trial runs are not checked.
        checks: The counts.
        stage: The stage of the epoch, such as `train/`.
        ignore_index: The ignored value, for the message.

    Raises:
        DataError: If there were batches, and no target counted.
    """
    # All processes must reach the same verdict.
    counts = torch.tensor(checks.counts(stage), device=trainer.strategy.root_device)
    seen, counted = trainer.strategy.reduce(counts, reduce_op="sum").tolist()
    is_trial = trainer.sanity_checking or bool(getattr(trainer, "fast_dev_run", False))
    if seen and not counted and not is_trial:
        raise DataError(
            f"{stage.strip('/')} epoch {trainer.current_epoch}",
            f"no target counted, every label of its {seen} batches is ignored "
            f"({PATH}.ignore_index {ignore_index})",
            "Check data.init_args.no_label_replace and reduce_zero_label, and ignore_index: some "
            "labels must remain.",
        )


def check_same_classes(datamodule: LightningDataModule | None, num_classes: int | None) -> None:
    """Raise unless a data module has as many classes as the model.

    Args:
        datamodule: The data module of the Trainer; one without `num_classes` passes.
        num_classes: The classes of the model; None if it has none.

    Raises:
        ConfigurationError: If the numbers differ.
    """
    of_data = getattr(datamodule, "num_classes", None)
    if num_classes is not None and isinstance(of_data, int) and of_data != num_classes:
        raise ConfigurationError(
            "data.init_args.num_classes",
            f"is {of_data}, but {PATH}.model_args.num_classes is {num_classes}",
            "Give both the number of classes that the labels have.",
        )


def check_test_names(names: Sequence[str] | None, count: int) -> None:
    """Raise a `ConfigurationError` unless there is a name for each test set, or no names."""
    if names is not None and len(names) != count:
        raise ConfigurationError(
            f"{PATH}.test_dataloaders_names",
            f"{len(names)} names for {count} test sets",
            "Give one name for each.",
        )
