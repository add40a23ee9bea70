"""Prediction from a checkpoint alone: files, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import LightningDataModule

from terratorch.contracts.facts import Sample
from terratorch.contracts.input_spec import InputSpec
from terratorch.datamodules.base import Loading, normalization
from terratorch.datamodules.loading import Loader, prediction_loader
from terratorch.datasets.facts import GivenFacts
from terratorch.datasets.scenes.prediction_dataset import PredictionDataset
from terratorch.datasets.scenes.prediction_images import PredictionImages
from terratorch.datasets.scenes.scene_files import ModalityFiles


class PredictionDataModule(LightningDataModule):
    """Images to predict, read and normalised as in training.

    Args:
        paths: The files; a folder is one scene, whose bands, dates or modalities are in several
            files, and so is a file of each modality.
        input_spec: How they are read and normalised.
        batch_size: Images in a batch; a batch also ends where the size of images changes.
        num_workers: Processes that read; 0 reads in the main process.

    Attributes:
        scenes: The files.
        loading: How batches are made.
        given_facts: Facts of the images that the user gives.
    """

    def __init__(
        self,
        paths: Sequence[Path | ModalityFiles],
        input_spec: InputSpec,
        batch_size: int = 1,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        self.scenes = paths
        self.input_spec = self.predict_input_spec = input_spec
        self.loading = Loading(batch_size, num_workers)
        self.given_facts = GivenFacts()
        self.aug = normalization(input_spec)

    def predict_dataloader(self) -> Loader:
        """Return the loader of the images.

        Raises:
            DataError: If a folder is not a scene.
        """
        self._images = PredictionImages(self.scenes, self.input_spec)
        for error in self._images.failures.values():
            raise error
        dataset = PredictionDataset(self._images.paths, self.input_spec, self.given_facts)
        return prediction_loader(dataset, self.loading.batch_size, self.loading.num_workers)

    def on_after_batch_transfer(self, batch: Sample, dataloader_idx: int) -> Sample:
        """Normalise the batch, on the device."""
        normalized: Sample = self.aug(batch)
        return normalized
