"""The images that a data module predicts, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch import LightningDataModule
from torch import nn

from terratorch.contracts.input_spec import InputSpec
from terratorch.datamodules.base import GenericDataModule
from terratorch.datamodules.prediction import PredictionDataModule
from terratorch.datamodules.utils import Normalize, NormalizeModalities
from terratorch.datasets.scenes.prediction_dataset import PredictionDataset
from terratorch.datasets.scenes.scene_files import ModalityFiles
from terratorch.errors import ConfigurationError

# Hooks of a data module that take part in a prediction.
_HOOKS = (
    "prepare_data",
    "setup",
    "predict_dataloader",
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
)


@dataclass(frozen=True)
class ImageSource:
    """Images to predict.

    Attributes:
        scenes: The files, and scenes of several files.
        input_spec: How they are read and normalised.
        batch_size: Images per forward pass if they run whole.
        num_workers: Processes that read them if they run whole.
    """

    scenes: Sequence[Path | ModalityFiles]
    input_spec: InputSpec
    batch_size: int = 1
    num_workers: int = 0

    def datamodule(self) -> PredictionDataModule:
        """Return a data module for a Trainer."""
        return PredictionDataModule(self.scenes, self.input_spec, self.batch_size, self.num_workers)


def source_for(
    datamodule: LightningDataModule | None, scenes: Sequence[Path | ModalityFiles]
) -> ImageSource:
    """Return files that are read as a data module reads the images that it predicts.

    Args:
        datamodule: The data module.
        scenes: The files.

    Raises:
        ConfigurationError: If it has no `input_spec`.
    """
    spec = getattr(datamodule, "predict_input_spec", getattr(datamodule, "input_spec", None))
    if not isinstance(spec, InputSpec):
        raise ConfigurationError(
            f"data module {type(datamodule).__name__}",
            "has no input_spec, so it is not known how to read a file",
            "Remove predict_data, so that it chooses the images itself.",
        )
    loading = getattr(datamodule, "loading", None)
    if loading is None:
        return ImageSource(scenes, spec)
    return ImageSource(scenes, spec, loading.batch_size, loading.num_workers)


def source_of(datamodule: LightningDataModule | None) -> ImageSource | None:
    """Return the images of a data module; None if it has its own way to load or normalise them.

    Args:
        datamodule: The data module.
    """
    if isinstance(datamodule, PredictionDataModule):
        if _overrides(datamodule, PredictionDataModule):
            return None
        return ImageSource(
            datamodule.scenes,
            datamodule.input_spec,
            datamodule.loading.batch_size,
            datamodule.loading.num_workers,
        )
    if not isinstance(datamodule, GenericDataModule) or _overrides(datamodule, GenericDataModule):
        return None
    if type(datamodule.aug) not in (Normalize, NormalizeModalities, nn.Identity):
        return None
    datamodule.setup("predict")
    dataset = datamodule.datasets["predict"]
    if type(dataset) is not PredictionDataset:
        return None
    return source_for(datamodule, dataset.paths)


def _overrides(datamodule: LightningDataModule, base: type[LightningDataModule]) -> bool:
    kind = type(datamodule)
    return any(getattr(kind, name) is not getattr(base, name) for name in _HOOKS)
