"""What the generic data modules share: splits to loaders, and normalisation on the device."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sized
from dataclasses import dataclass, replace
from pathlib import Path

from lightning.pytorch import LightningDataModule
from torch import nn
from torch.utils.data import Dataset

from terratorch.contracts.facts import Sample
from terratorch.contracts.input_spec import InputSpec
from terratorch.datamodules.loading import (
    Loader,
    ask_for_errors,
    delivered_error,
    error_of_sizes,
    pinned,
    prediction_loader,
)
from terratorch.datamodules.shared_batches import SharedCollate
from terratorch.datamodules.utils import Normalize, NormalizeModalities
from terratorch.datasets.facts import GivenFacts
from terratorch.datasets.files import find_files
from terratorch.datasets.image_folder_dataset import ImageFolderDataset
from terratorch.datasets.scenes.prediction_dataset import PredictionDataset
from terratorch.datasets.scenes.prediction_images import PredictionImages
from terratorch.datasets.transforms.build import Transforms
from terratorch.errors import ArgumentNameError, ConfigurationError, did_you_mean

_STAGES = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}


@dataclass(frozen=True)
class Loading:
    """How batches are made.

    Args:
        batch_size: Chips in a batch.
        num_workers: Processes that read; 0 reads in the main process.
        drop_last: Whether to drop an incomplete last batch of training.
        pin_memory: Whether to copy batches to pinned memory, if there is a GPU.
        check_sizes: Whether to explain images of different sizes in a batch.
    """

    batch_size: int
    num_workers: int = 0
    drop_last: bool = True
    pin_memory: bool = False
    check_sizes: bool = True

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("num_workers", 0)):
            if getattr(self, name) < least:
                raise ConfigurationError(
                    name, f"{getattr(self, name)} is too small", f"The least is {least}."
                )


@dataclass(frozen=True)
class SplitSource:
    """Where the chips of a split come from.

    Args:
        images: The folder of the images; None if there is no such split.
        labels: The folder of the labels; None if with the images.
        split: The file that names the chips.
        transform: The transforms of the chips.
    """

    images: Path | None
    labels: Path | None = None
    split: Path | None = None
    transform: Transforms = None


class GenericDataModule(LightningDataModule):
    """Base of the generic data modules.

    A subclass builds the data set of a split in `build_dataset`.

    Args:
        input_spec: How images are read and normalised.
        loading: How batches are made.
        sources: Where the chips of `train`, `val` and `test` come from.
        predict_root: A folder of images to predict, or one image. Of several modalities, a folder
            of scenes, each a folder with their files.
        predict_pattern: Which files of that folder.
        predict_input_spec: How images to predict are read, if otherwise.

    Attributes:
        aug: What is done to a batch on the device: normalisation.
        datasets: The data sets that were set up, by split: `train`, `val`, `test`, `predict`.
        given_facts: Facts of the images to predict that the user gives.
    """

    def __init__(
        self,
        input_spec: InputSpec,
        loading: Loading,
        sources: Mapping[str, SplitSource],
        predict_root: Path | None = None,
        predict_pattern: str | None = "*",
        predict_input_spec: InputSpec | None = None,
    ) -> None:
        super().__init__()
        for split, source in sources.items():
            _check_source(split, source)
        self.loading = loading
        self._sources = sources
        self.datasets: dict[str, Dataset[Sample]] = {}
        self.aug: nn.Module = normalization(input_spec)
        self.given_facts = GivenFacts()
        self._input_spec = input_spec
        self._predict_root = None if predict_root is None else Path(predict_root)
        self._predict_pattern = predict_pattern
        self._predict_input_spec = predict_input_spec or input_spec

    @property
    def input_spec(self) -> InputSpec:
        """How images are read and normalised; a checkpoint carries it along."""
        return self._input_spec

    @property
    def predict_input_spec(self) -> InputSpec:
        """How images to predict are read: they may have other bands in their files."""
        return self._predict_input_spec

    @property
    def class_names(self) -> list[str] | None:
        """The name of each class; None if the data does not have them."""
        return None

    @abstractmethod
    def build_dataset(self, split: str, source: SplitSource) -> Dataset[Sample]:
        """Build the data set of `train`, `val` or `test`.

        A sample has `image`, a tensor or a dictionary of tensors by modality, targets and facts;
        see `terratorch.contracts.facts`. A modality that it lacks is omitted, or None.
        """

    def build_dataset_as_read(self, split: str) -> Dataset[Sample]:
        """Build the data set of a split without transforms, as statistics are computed from."""
        source = self._sources[split]
        if source.images is None:
            self._check_optional(split)
        return self.build_dataset(split, replace(source, transform=None))

    def setup(self, stage: str | None = None) -> None:
        """Build the data sets that a stage needs: `fit`, `validate`, `test` or `predict`."""
        if stage == "predict":
            self.datasets["predict"] = self._prediction_dataset()
            return
        for split in _STAGES[stage] if stage else ("train", "val", "test"):
            source = self._sources[split]
            if source.images is None:
                self._check_optional(split)
            else:
                dataset = self.build_dataset(split, source)
                if isinstance(dataset, ImageFolderDataset):
                    self._check_bands(dataset.check_files())
                self.datasets[split] = dataset
                if split == "train" and isinstance(dataset, Sized):
                    self._check_batch_size(len(dataset))

    def train_dataloader(self) -> Loader:
        """Return the loader of training, shuffled."""
        return self._loader("train", shuffle=True, drop_last=self.loading.drop_last)

    def val_dataloader(self) -> Loader | list[Loader]:
        """Return the loader of validation; no loader if there is no such data."""
        return self._loader("val") if "val" in self.datasets else []

    def test_dataloader(self) -> Loader:
        """Return the loader of the test."""
        return self._loader("test")

    def predict_dataloader(self) -> Loader:
        """Return the loader of the images to predict; images may differ in size."""
        dataset = self.datasets["predict"]
        assert isinstance(dataset, PredictionDataset)
        return prediction_loader(dataset, self.loading.batch_size, self.loading.num_workers)

    def on_after_batch_transfer(self, batch: Sample, dataloader_idx: int) -> Sample:
        """Normalise the batch, on the device."""
        normalized: Sample = self.aug(batch)
        return normalized

    def _loader(self, split: str, shuffle: bool = False, drop_last: bool = False) -> Loader:
        loading = self.loading
        return Loader(
            self.datasets[split],
            batch_size=loading.batch_size,
            num_workers=loading.num_workers,
            pin_memory=pinned(loading.pin_memory),
            collate_fn=SharedCollate(
                error_of_sizes if loading.check_sizes else delivered_error,
                self.input_spec,
                shares=not pinned(loading.pin_memory),
            ),
            worker_init_fn=ask_for_errors if loading.num_workers else None,
            persistent_workers=loading.num_workers > 0,
            shuffle=shuffle,
            drop_last=drop_last,
        )

    def _prediction_dataset(self) -> PredictionDataset:
        root = self._predict_root
        if root is None:
            raise ConfigurationError(
                "predict_data_root", "not given", "Give the image, or the folder of images."
            )
        spec = self._predict_input_spec
        folders = [] if root.is_file() else sorted(filter(Path.is_dir, root.iterdir()))
        if root.is_file():
            scenes = [root]
        elif folders and not spec.is_single:
            scenes = folders
        else:
            files = find_files(root, self._predict_pattern, "predict_data_root")
            scenes = [file.path for file in files]
        self._predict_images = PredictionImages(scenes, spec)
        for error in self._predict_images.failures.values():
            raise error
        return PredictionDataset(self._predict_images.paths, spec, self.given_facts)

    def _check_optional(self, split: str) -> None:
        # Training may go without validation; nothing goes without its own data.
        if split != "val" or "train" not in self.datasets:
            raise ConfigurationError(
                f"{split}_data_root", "not given", "Give the folder of the images."
            )

    def _check_bands(self, bands: int) -> None:
        # If the bands have no names, only the files have their number.
        means = self.input_spec.image.means
        if means is not None and len(means) != bands:
            raise ConfigurationError(
                "means",
                f"{len(means)} values, but the images have {bands} bands",
                "Give one value in means and stds for each band that goes to the model.",
            )

    def _check_batch_size(self, count: int) -> None:
        loading = self.loading
        if loading.drop_last and count < loading.batch_size:
            raise ConfigurationError(
                "batch_size",
                f"{loading.batch_size}, but the training set has {count} chips, and drop_last "
                "skips incomplete batches",
                f"Set batch_size to {count} or less, or drop_last to false.",
            )


def _check_source(split: str, source: SplitSource) -> None:
    """Refuse options of a split that has no images, since nothing would use them."""
    # Transforms may stay in a configuration whose data were taken out, to predict elsewhere.
    unused = {"label_data_root": source.labels, "split": source.split}
    for name, value in unused.items():
        if source.images is None and value is not None:
            raise ConfigurationError(
                f"{split}_{name}",
                f"given without {split}_data_root",
                f"Give {split}_data_root too, or omit this.",
            )


def normalization(input_spec: InputSpec) -> nn.Module:
    """Return the module that normalises batches by a specification."""
    if not input_spec.is_single:
        return NormalizeModalities(input_spec)
    image = input_spec.image
    if image.means is None or image.stds is None:
        return nn.Identity()
    return Normalize(image.means, image.stds, time_in_channels=image.has_time)


def refuse_unknown(kind: type, arguments: Mapping[str, object]) -> None:
    """Refuse keyword arguments that a class does not know.

    Raises:
        ArgumentNameError: If there are any; the message gives the closest names.
    """
    if not arguments:
        return
    name = next(iter(arguments))
    known = [key for key in inspect.signature(kind).parameters if key != "kwargs"]
    raise ArgumentNameError(
        name,
        f"{kind.__name__} has no such argument",
        did_you_mean(name, known) or f"It takes: {', '.join(known)}.",
    )
