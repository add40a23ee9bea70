"""Data sets of image files with a label for each pixel in a second file."""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terratorch.bands import Band
from terratorch.contracts.facts import Sample
from terratorch.contracts.images import Pixels
from terratorch.contracts.input_spec import ImageSpec
from terratorch.datasets.files import SplitFile
from terratorch.datasets.image_folder_dataset import ImageFolderDataset
from terratorch.datasets.labels import NO_LABEL, read_class_mask, read_value_mask
from terratorch.datasets.pairing import OptionNames, pair_files
from terratorch.datasets.transforms.build import Transforms
from terratorch.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)


class GenericPixelWiseDataset(ImageFolderDataset):
    """Images and labels of the same size, paired by name.

    Args:
        data_root: The folder of the images.
        label_data_root: The folder of the labels; None if in the folder of the images.
        image_grep: Glob pattern of the images' names, such as `*_merged.tif`.
        label_grep: Glob pattern of the labels' names, such as `*.mask.tif`.
        split: File with the names of the chips to use, one per line; None for all.
        ignore_split_file_extensions: Whether to ignore extensions in the split file.
        allow_substring_split_file: Whether part of a name is enough in the split file.
        rgb_indices: Output bands to show as red, green and blue; by default found by name.
        dataset_bands: The bands of a file, in order: names, positions or inclusive intervals.
        output_bands: The bands to read, in order; all by default.
        constant_scale: Values are multiplied by this.
        transform: Transforms as people write them in YAML, or a `Compose` of albumentations.
        no_data_replace: Replaces nodata and NaN in images, before scaling; None if
            they are errors.
        no_label_replace: Replaces nodata and NaN in labels, and fills labels where transforms
            rotate or pad beyond the image.
        embedding_input: Not supported yet.
        pca_step: Not used without `embedding_input`.
        expand_temporal_dimension: Whether files hold several time steps of `dataset_bands`; images
            are then `(C, T, H, W)`.
        temporal_channel_major: Whether all time steps of a band follow each other in a file,
            instead of all bands of a time step.
        reduce_zero_label: Whether labels count from 1, and 0 means unlabelled: 1 is subtracted,
            and 0 becomes `no_label_replace`, or -1 if that is not set.
        tortilla_df: Not supported yet.
        tortilla_indices: Not supported yet.
        return_georeference: Not supported yet; predictions keep the georeference of their images.
        names: The names of the options in error messages.
        image_spec: How images are read, instead of the options on bands and values above.
    """

    def __init__(
        self,
        data_root: Path | None = None,
        label_data_root: Path | None = None,
        image_grep: str | None = "*",
        label_grep: str | None = "*",
        split: Path | None = None,
        ignore_split_file_extensions: bool = True,
        allow_substring_split_file: bool = True,
        rgb_indices: list[int] | None = None,
        dataset_bands: list[Band] | None = None,
        output_bands: list[Band] | None = None,
        constant_scale: float = 1,
        transform: Transforms = None,
        no_data_replace: float | None = None,
        no_label_replace: int | None = None,
        embedding_input: bool = False,
        pca_step: int = 4,
        expand_temporal_dimension: bool = False,
        temporal_channel_major: bool = False,
        reduce_zero_label: bool = False,
        tortilla_df: object = None,
        tortilla_indices: list[Hashable] | None = None,
        return_georeference: bool = False,
        *,
        names: OptionNames | None = None,
        image_spec: ImageSpec | None = None,
    ) -> None:
        refuse_unsupported(
            embedding_input=embedding_input,
            tortilla_df=tortilla_df is not None,
            tortilla_indices=tortilla_indices is not None,
            return_georeference=return_georeference,
        )
        names = names or OptionNames()
        if data_root is None:
            raise ConfigurationError(names.images, "not given", "Give the folder of the images.")
        spec = image_spec or ImageSpec.create(
            dataset_bands=dataset_bands,
            output_bands=output_bands,
            constant_scale=constant_scale,
            no_data_replace=no_data_replace,
            expand_temporal_dimension=expand_temporal_dimension,
            temporal_channel_major=temporal_channel_major,
            rgb_indices=rgb_indices,
        )
        self.no_label_replace, self.reduce_zero_label = no_label_replace, reduce_zero_label
        super().__init__(spec, transform, names.transform, self.no_label)
        self.pairs = pair_files(
            Path(data_root),
            None if label_data_root is None else Path(label_data_root),
            image_grep,
            label_grep,
            SplitFile.read(
                split, ignore_split_file_extensions, allow_substring_split_file, names.split
            )
            if split
            else None,
            names,
        )

    @property
    def image_files(self) -> list[Path]:
        """The images, in the order of the samples."""
        return [pair.image for pair in self.pairs]

    @property
    def segmentation_mask_files(self) -> list[Path]:
        """The labels, in the order of the samples."""
        return [pair.label for pair in self.pairs]

    @property
    def no_label(self) -> float | None:
        """The value of unlabelled pixels in a sample; None if every value is a label."""
        return self.no_label_replace

    def __getitem__(self, index: int) -> Sample:
        pair = self.pairs[index]
        image, facts = self._read(pair.image)
        mask = self._read_mask(pair.label)
        if image.shape[-2:] != mask.shape[-2:]:
            raise DataError(
                str(pair.label),
                f"{_size(mask)} pixels, but its image {pair.image.name} has {_size(image)}",
                "Image and label must cover the same pixels.",
            )
        return {**self._to_tensors(image, mask), **facts}

    def read_label(self, index: int) -> Pixels:
        """Read a label without transforms, `(H, W)`."""
        return self._read_mask(self.pairs[index].label)

    def _read_mask(self, path: Path) -> Pixels:
        raise NotImplementedError

    def _to_tensors(self, image: NDArray[np.float32], mask: Pixels) -> dict[str, Tensor]:
        if self._pipeline is None:
            return {"image": torch.from_numpy(image), "mask": torch.from_numpy(mask)}
        image_tensor, mask_tensor = self._pipeline(image, mask)
        assert mask_tensor is not None
        kind = torch.float32 if mask.dtype.kind == "f" else torch.int64
        return {"image": image_tensor, "mask": mask_tensor.to(kind)}


class GenericNonGeoSegmentationDataset(GenericPixelWiseDataset):
    """Images and masks of class ids, paired by name.

    Args:
        num_classes: How many classes there are.
        class_names: The name of each class.

    The other arguments are those of `GenericPixelWiseDataset`.
    """

    def __init__(
        self,
        data_root: Path,
        num_classes: int,
        label_data_root: Path | None = None,
        image_grep: str | None = "*",
        label_grep: str | None = "*",
        split: Path | None = None,
        ignore_split_file_extensions: bool = True,
        allow_substring_split_file: bool = True,
        rgb_indices: list[int] | None = None,
        dataset_bands: list[Band] | None = None,
        output_bands: list[Band] | None = None,
        class_names: list[str] | None = None,
        constant_scale: float = 1,
        transform: Transforms = None,
        no_data_replace: float | None = None,
        no_label_replace: int | None = None,
        embedding_input: bool = False,
        pca_step: int = 4,
        expand_temporal_dimension: bool = False,
        reduce_zero_label: bool = False,
        tortilla_df: object = None,
        tortilla_indices: list[Hashable] | None = None,
        return_georeference: bool = False,
        temporal_channel_major: bool = False,
        *,
        names: OptionNames | None = None,
        image_spec: ImageSpec | None = None,
    ) -> None:
        super().__init__(
            data_root,
            label_data_root=label_data_root,
            image_grep=image_grep,
            label_grep=label_grep,
            split=split,
            ignore_split_file_extensions=ignore_split_file_extensions,
            allow_substring_split_file=allow_substring_split_file,
            rgb_indices=rgb_indices,
            dataset_bands=dataset_bands,
            output_bands=output_bands,
            constant_scale=constant_scale,
            transform=transform,
            no_data_replace=no_data_replace,
            no_label_replace=no_label_replace,
            embedding_input=embedding_input,
            pca_step=pca_step,
            expand_temporal_dimension=expand_temporal_dimension,
            temporal_channel_major=temporal_channel_major,
            reduce_zero_label=reduce_zero_label,
            tortilla_df=tortilla_df,
            tortilla_indices=tortilla_indices,
            return_georeference=return_georeference,
            names=names,
            image_spec=image_spec,
        )
        self.num_classes = num_classes
        self.class_names = check_class_names(class_names, num_classes)
        if self.no_label is None and self._pipeline is not None and self._pipeline.filling:
            logger.warning(
                "%s: %s may rotate or pad beyond the image, and the mask is class 0 there. Set "
                "no_label_replace to the ignore_index of the task, or fill_mask of the transform.",
                (names or OptionNames()).transform,
                self._pipeline.filling[0],
            )

    @property
    def no_label(self) -> int | None:
        """The id of unlabelled pixels; None without such an id."""
        if self.no_label_replace is None and self.reduce_zero_label:
            return NO_LABEL
        return self.no_label_replace

    def _read_mask(self, path: Path) -> NDArray[np.int64]:
        return read_class_mask(path, self.no_label_replace, self.reduce_zero_label)

    def plot(
        self,
        sample: Sample,
        suptitle: str | None = None,
        class_names: Sequence[str] | None = None,
    ) -> Figure:
        """Draw a sample: image, mask and, if it has one, prediction.

        Args:
            sample: `image` `(C, H, W)` or `(C, T, H, W)`, `mask` and `prediction` `(H, W)`.
            suptitle: A title above.
            class_names: The name of each class, where the data set was given none.
        """
        from terratorch.datasets.plotting import plot_classes

        names = self.class_names or class_names
        return plot_classes(sample, self.rgb_indices, self.num_classes, names, suptitle)


class GenericNonGeoPixelwiseRegressionDataset(GenericPixelWiseDataset):
    """Images and rasters of values, paired by name.

    The arguments are those of `GenericPixelWiseDataset`. Values are NaN where a label is nodata,
    unless `no_label_replace` is set, and `reduce_zero_label` subtracts 1 from them.
    """

    def __init__(
        self,
        data_root: Path,
        label_data_root: Path | None = None,
        image_grep: str | None = "*",
        label_grep: str | None = "*",
        split: Path | None = None,
        ignore_split_file_extensions: bool = True,
        allow_substring_split_file: bool = True,
        rgb_indices: list[int] | None = None,
        dataset_bands: list[Band] | None = None,
        output_bands: list[Band] | None = None,
        constant_scale: float = 1,
        transform: Transforms = None,
        no_data_replace: float | None = None,
        no_label_replace: int | None = None,
        embedding_input: bool = False,
        pca_step: int = 4,
        expand_temporal_dimension: bool = False,
        reduce_zero_label: bool = False,
        temporal_channel_major: bool = False,
        *,
        names: OptionNames | None = None,
        image_spec: ImageSpec | None = None,
    ) -> None:
        super().__init__(
            data_root,
            label_data_root=label_data_root,
            image_grep=image_grep,
            label_grep=label_grep,
            split=split,
            ignore_split_file_extensions=ignore_split_file_extensions,
            allow_substring_split_file=allow_substring_split_file,
            rgb_indices=rgb_indices,
            dataset_bands=dataset_bands,
            output_bands=output_bands,
            constant_scale=constant_scale,
            transform=transform,
            no_data_replace=no_data_replace,
            no_label_replace=no_label_replace,
            embedding_input=embedding_input,
            pca_step=pca_step,
            expand_temporal_dimension=expand_temporal_dimension,
            temporal_channel_major=temporal_channel_major,
            reduce_zero_label=reduce_zero_label,
            names=names,
            image_spec=image_spec,
        )

    @property
    def no_label(self) -> float:
        """The value of pixels without a value: NaN unless `no_label_replace` is set."""
        return math.nan if self.no_label_replace is None else self.no_label_replace

    def _read_mask(self, path: Path) -> NDArray[np.float32]:
        return read_value_mask(path, self.no_label_replace, self.reduce_zero_label)

    def plot(self, sample: Sample, suptitle: str | None = None) -> Figure:
        """Draw a sample: image, values and, if it has one, prediction.

        Args:
            sample: `image` `(C, H, W)` or `(C, T, H, W)`, `mask` and `prediction` `(H, W)`.
            suptitle: A title above.
        """
        from terratorch.datasets.plotting import plot_values

        return plot_values(sample, self.rgb_indices, suptitle)


def refuse_unsupported(**options: bool) -> None:
    """Refuse options of the public interface that are not supported yet, if they are set."""
    for name, used in options.items():
        if used:
            raise ConfigurationError(name, "not supported yet", "Omit it.")


def check_class_names(names: Sequence[str] | None, num_classes: int) -> list[str] | None:
    """Check that there is one name for each class."""
    if names is not None and len(names) != num_classes:
        raise ConfigurationError(
            "class_names",
            f"{len(names)} names, but num_classes is {num_classes}",
            "Give one name for each class, in the order of the ids.",
        )
    return None if names is None else list(names)


def _size(array: Pixels) -> str:
    height, width = array.shape[-2:]
    return f"{width} x {height}"
