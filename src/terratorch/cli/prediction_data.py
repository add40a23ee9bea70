"""The images of a prediction: which files, and read how."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import LightningDataModule

from terratorch.datamodules.prediction import PredictionDataModule
from terratorch.datasets.input_spec import InputSpec
from terratorch.errors import ConfigurationError
from terratorch.tasks.checkpoint import CheckpointInfo


def from_checkpoint(
    checkpoint: CheckpointInfo, paths: Sequence[Path], batch_size: int = 1, num_workers: int = 0
) -> PredictionDataModule:
    """Return images that are read the way the model of a checkpoint was trained.

    Args:
        checkpoint: What was trained.
        paths: The files.
        batch_size: Images at once.
        num_workers: Processes that read.

    Raises:
        ConfigurationError: If the checkpoint does not say how.
    """
    if checkpoint.input is None:
        raise ConfigurationError(
            f"ckpt_path '{checkpoint.path}'",
            "does not say which bands and means its model was trained with",
            "Predict with the configuration: terratorch predict -c CONFIG --ckpt_path FILE ...",
        )
    spec = InputSpec.from_dict(checkpoint.input)
    return PredictionDataModule(paths, spec, batch_size, num_workers)


def from_datamodule(
    datamodule: LightningDataModule | None, paths: Sequence[Path]
) -> PredictionDataModule:
    """Return images that are read the way a data module reads those that it predicts.

    Args:
        datamodule: The data module of the configuration.
        paths: The files.

    Raises:
        ConfigurationError: If it does not say how.
    """
    spec = getattr(datamodule, "predict_input_spec", getattr(datamodule, "input_spec", None))
    if not isinstance(spec, InputSpec):
        raise ConfigurationError(
            f"data module {type(datamodule).__name__}",
            "has no input_spec, so it does not say how a file is read",
            "Let it choose the images itself: leave predict_data out.",
        )
    loading = getattr(datamodule, "loading", None)
    if loading is None:
        return PredictionDataModule(paths, spec)
    return PredictionDataModule(paths, spec, loading.batch_size, loading.num_workers)
