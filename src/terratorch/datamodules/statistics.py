"""Statistics of the training images: what `means` and `stds` should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import Dataset

from terratorch.datamodules.base import GenericDataModule
from terratorch.datamodules.loading import Loader, ask_for_errors, first_sample
from terratorch.datasets.delivery import DeliversErrors
from terratorch.datasets.image_folder_dataset import ImageFolderDataset
from terratorch.errors import ConfigurationError, DataError
from terratorch.ops.statistics import Moments, count_classes, image_moments

Progress = Callable[[int, int], None]
"""Called with how many images are done, and how many there are (0 if that is not known)."""


@dataclass(frozen=True)
class Statistics:
    """Statistics of images as a model sees them before normalisation.

    Args:
        bands: The name or position of each band.
        means: The mean of each band.
        stds: The standard deviation of each band.
        minimums: The least value of each band.
        maximums: The greatest value of each band.
        images: How many images were read.
        pixels: How many pixels they have.
        excluded_pixels: How many of these are nodata or NaN, and excluded.
        class_counts: How many pixels, or images, have each class id; None without classes.
    """

    bands: tuple[str | int, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]
    minimums: tuple[float, ...]
    maximums: tuple[float, ...]
    images: int
    pixels: int
    excluded_pixels: int
    class_counts: dict[int, int] | None = None

    def to_yaml(self) -> str:
        """Return `means` and `stds` as YAML for `data.init_args`, the rest as comments."""
        lines = [
            f"# Statistics of {self.images} training images with {self.pixels:,} pixels, "
            f"{self.excluded_pixels:,} of them nodata and excluded."
        ]
        for name in ("means", "stds"):
            lines.append(f"{name}:")
            lines += [
                f"  - {_number(value)}  # {band}"
                for band, value in zip(self.bands, getattr(self, name), strict=True)
            ]
        lines.append("# Range of each band:")
        lines += [
            f"#   {band}: {low:g} to {high:g}"
            for band, low, high in zip(self.bands, self.minimums, self.maximums, strict=True)
        ]
        if self.class_counts:
            total = sum(self.class_counts.values())
            lines.append("# Share of each class id:")
            lines += [
                f"#   {number}: {count / total:.2%} ({count:,})"
                for number, count in sorted(self.class_counts.items())
            ]
        return "\n".join(lines) + "\n"


def compute_statistics(
    datamodule: LightningDataModule, progress: Progress | None = None
) -> Statistics:
    """Compute the statistics of the training images, in one pass.

    Images are as the model sees them before normalisation: the bands that were chosen, scaled.
    Nodata and NaN are excluded, whatever replaces them. A generic data module is read without
    augmentation; any other is iterated unchanged.

    Args:
        datamodule: Where the images come from.
        progress: Called after each image (or batch).

    Raises:
        DataError: If a band has no valid pixel.
    """
    total = _Total()
    for done, measured in enumerate(_measure(datamodule, total), start=1):
        total.add(measured)
        if progress is not None:
            progress(done, total.expected)
    return total.result(_band_names(datamodule))


@dataclass(frozen=True)
class _Measured:
    """What is counted of one image, or batch of images."""

    moments: Moments
    images: int
    pixels: int
    excluded: int
    classes: Counter[int]


class _Total:
    def __init__(self) -> None:
        self.expected = 0
        self._moments: Moments | None = None
        self._images = self._pixels = self._excluded = 0
        self._classes: Counter[int] = Counter()

    def add(self, measured: _Measured) -> None:
        moments = measured.moments
        self._moments = moments if self._moments is None else self._moments.merge(moments)
        self._images += measured.images
        self._pixels += measured.pixels
        self._excluded += measured.excluded
        self._classes += measured.classes

    def result(self, names: Sequence[str | int] | None) -> Statistics:
        moments = self._moments
        if moments is None:
            raise DataError("train_data_root", "there are no training images")
        bands = tuple(names or range(len(moments.mean)))
        empty = [band for band, count in zip(bands, moments.count, strict=True) if count == 0]
        if empty:
            raise DataError(
                f"band {empty[0]}",
                f"none of the {self._pixels} pixels of the training images is valid",
                "Check the nodata value of the files, or remove this band from output_bands.",
            )
        return Statistics(
            bands,
            means=tuple(moments.mean.tolist()),
            stds=tuple(moments.std.tolist()),
            minimums=tuple(moments.minimum.tolist()),
            maximums=tuple(moments.maximum.tolist()),
            images=self._images,
            pixels=self._pixels,
            excluded_pixels=self._excluded,
            class_counts=dict(self._classes) or None,
        )


def _measure(datamodule: LightningDataModule, total: _Total) -> Iterator[_Measured]:
    as_read = _as_read(datamodule)
    if isinstance(datamodule, GenericDataModule) and as_read is not None:
        dataset = _MeasuredDataset(as_read)
        total.expected = len(dataset)
        workers = datamodule.loading.num_workers
        yield from Loader(
            dataset,
            collate_fn=first_sample,
            num_workers=workers,
            worker_init_fn=ask_for_errors if workers else None,
        )
        return
    datamodule.setup("fit")
    for batch in datamodule.train_dataloader():
        image = batch["image"]
        if not isinstance(image, torch.Tensor):
            raise ConfigurationError(
                "data",
                f"its batches hold the modalities {', '.join(image)}",
                "Statistics are computed of one image: make a data module of each modality.",
            )
        yield _measured(image.transpose(0, 1), None, batch.get("mask"), len(image))


def _as_read(datamodule: LightningDataModule) -> ImageFolderDataset | None:
    """Return the training images without transforms, if the data set can read them so."""
    if not isinstance(datamodule, GenericDataModule):
        return None
    dataset = datamodule.build_dataset_as_read("train")
    return dataset if isinstance(dataset, ImageFolderDataset) else None


class _MeasuredDataset(DeliversErrors, Dataset[_Measured]):
    """The counts of each image of a data set: small, so that workers read and count."""

    def __init__(self, dataset: ImageFolderDataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> _Measured:
        image, valid = self._dataset.read_image(index)
        label = self._dataset.read_label(index)
        return _measured(torch.from_numpy(image), torch.from_numpy(valid), label, 1)


def _measured(
    image: torch.Tensor, valid: torch.Tensor | None, label: object, count: int
) -> _Measured:
    # The bands come first: a batch has its images where a single one has its time steps.
    moments = image_moments(image, valid)
    pixels = image[0].numel()
    excluded = int(pixels - moments.count.max())
    classes: Counter[int] = Counter()
    if label is not None and not torch.as_tensor(label).is_floating_point():
        classes = count_classes(torch.as_tensor(label))
    return _Measured(moments, count, pixels, excluded, classes)


def _band_names(datamodule: LightningDataModule) -> Sequence[str | int] | None:
    if not isinstance(datamodule, GenericDataModule) or not datamodule.input_spec.is_single:
        return None
    return datamodule.input_spec.image.selection.names


def _number(value: float) -> str:
    # YAML 1.1 reads 1e-05 as text: a number needs its point.
    text = f"{value:.6g}"
    return text if "." in text or "e" not in text else text.replace("e", ".0e")
