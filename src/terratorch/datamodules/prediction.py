"""Prediction where there is only a checkpoint: files, and how they are read."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from lightning.pytorch import LightningDataModule

from terratorch.contracts.input_spec import InputSpec
from terratorch.datamodules.base import Loading, normalization
from terratorch.datamodules.loading import prediction_loader
from terratorch.datasets.facts import GivenFacts
from terratorch.datasets.scenes.joined_scene import join_scene
from terratorch.datasets.scenes.prediction_dataset import PredictionDataset
from terratorch.datasets.scenes.scene_files import SceneFiles
from terratorch.errors import DataError


class PredictionDataModule(LightningDataModule):
    """Images to predict, read and normalised as in training.

    Args:
        paths: The files; a folder is one scene, whose bands, dates or modalities lie in several
            files, and so is a file of each modality.
        input_spec: How they are read and normalised.
        batch_size: Images in a batch; a batch also ends where the size of images changes.
        num_workers: Processes that read; 0 reads in the main process.

    Attributes:
        failures: What is no scene, and why: it is not among `paths`.
        given_facts: What the user says of the images.
    """

    def __init__(
        self,
        paths: Sequence[Path | SceneFiles],
        input_spec: InputSpec,
        batch_size: int = 1,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        self.input_spec = self.predict_input_spec = input_spec
        self.aug = normalization(input_spec)
        self.failures: dict[Path, DataError] = {}
        self._loading = Loading(batch_size, num_workers)
        self.given_facts = GivenFacts()
        self._paths = self._files(paths)

    def _files(self, scenes: Sequence[Path | SceneFiles]) -> list[Path]:
        """Return files as they are, and a virtual raster for each scene of several."""
        files: list[Path] = []
        target: Path | None = None
        for scene in scenes:
            if isinstance(scene, Path) and not scene.is_dir():
                files.append(scene)
                continue
            if target is None:
                target = Path(mkdtemp(prefix="terratorch-"))
                weakref.finalize(self, shutil.rmtree, target, ignore_errors=True)
            try:
                files.append(join_scene(scene, self.input_spec, target))
            except DataError as error:
                self.failures[scene if isinstance(scene, Path) else Path(scene.name)] = error
        return files

    @property
    def paths(self) -> list[Path]:
        """The files."""
        return self._paths

    @property
    def batch_size(self) -> int:
        """How many images make a batch, at most."""
        return self._loading.batch_size

    def predict_dataloader(self) -> Any:
        """Return the loader of the images.

        Raises:
            DataError: If a folder is no scene.
        """
        for error in self.failures.values():
            raise error
        dataset = PredictionDataset(self._paths, self.input_spec, self.given_facts)
        return prediction_loader(dataset, self._loading.batch_size, self._loading.num_workers)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Normalise the batch, on the device."""
        return self.aug(batch)
