"""The images of a prediction: which files, and read how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lightning.pytorch import LightningDataModule
from torch import nn

from terratorch.contracts.input_spec import InputSpec
from terratorch.datamodules.base import GenericDataModule
from terratorch.datamodules.prediction import PredictionDataModule
from terratorch.datamodules.utils import Normalize, NormalizeModalities
from terratorch.datasets.scenes.prediction_dataset import PredictionDataset
from terratorch.datasets.scenes.scene_files import SceneFiles
from terratorch.errors import ConfigurationError, DataError
from terratorch.tasks.checkpoint import CheckpointInfo


def from_checkpoint(
    checkpoint: CheckpointInfo,
    paths: Sequence[Path | SceneFiles],
    batch_size: int = 1,
    num_workers: int = 0,
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
    return PredictionDataModule(paths, checkpoint.input, batch_size, num_workers)


def from_datamodule(
    datamodule: LightningDataModule | None, paths: Sequence[Path | SceneFiles]
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


@dataclass(frozen=True)
class Images:
    """The images of a data module.

    Attributes:
        paths: The files.
        input_spec: How they are read and normalised.
        batch_size: How many make a batch.
        failures: What is known to be no image, and why.
    """

    paths: list[Path]
    input_spec: InputSpec
    batch_size: int
    failures: Mapping[Path, DataError] = field(default_factory=dict)


def images_of(datamodule: LightningDataModule | None) -> Images | None:
    """Return the images that a data module predicts; None where what it does is not ours.

    Args:
        datamodule: The data module, as it goes to the Trainer.
    """
    if not isinstance(datamodule, (GenericDataModule, PredictionDataModule)):
        return None
    if type(datamodule.aug) not in (Normalize, NormalizeModalities, nn.Identity):
        return None
    if not all(is_ours(datamodule, name) for name in _METHODS):
        return None
    if isinstance(datamodule, PredictionDataModule):
        read, failures = datamodule.input_spec, datamodule.failures
        return Images(datamodule.paths, read, datamodule.batch_size, failures)
    datamodule.setup("predict")
    dataset = datamodule.datasets["predict"]
    if type(dataset) is not PredictionDataset:
        return None
    spec, loading = datamodule.predict_input_spec, datamodule.loading
    return Images(dataset.paths, spec, loading.batch_size)


_METHODS = (
    "prepare_data",
    "setup",
    "predict_dataloader",
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
)


def is_ours(part: object, method: str) -> bool:
    """Whether a method is that of our class, or of Lightning's, and so known."""
    module: str = getattr(type(part), method).__module__
    return module.startswith(("terratorch.", "lightning."))
