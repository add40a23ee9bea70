"""Data modules for folders of images with one label each."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from terratorch.contracts.input_spec import InputSpec
from terratorch.datamodules.base import GenericDataModule, Loading, SplitSource, refuse_unknown
from terratorch.datamodules.utils import Normalize, read_numbers
from terratorch.datasets.generic_scalar_label_dataset import (
    GenericNonGeoClassificationDataset,
    class_folders,
)
from terratorch.datasets.image_folder_dataset import ImageFolderDataset
from terratorch.datasets.pairing import OptionNames
from terratorch.datasets.utils import HLSBands

__all__ = ["GenericNonGeoClassificationDataModule", "Normalize"]


class GenericNonGeoClassificationDataModule(GenericDataModule):
    """Images in folders; the name of the folder is the class.

    Args:
        batch_size: Chips in a batch.
        num_workers: Processes that read; 0 reads in the main process.
        train_data_root: The folder with a folder for each class, of training.
        val_data_root: The same of validation.
        test_data_root: The same of the test.
        means: The mean of each output band, or a file of them.
        stds: The standard deviation of each output band, or a file of them.
        num_classes: How many classes there are.
        predict_data_root: A folder of images to predict, or one image.
        train_split: File with the names of the chips of training, one per line; None for all.
        val_split: File with the names of the chips of validation.
        test_split: File with the names of the chips of the test.
        ignore_split_file_extensions: Whether to ignore extensions in split files.
        allow_substring_split_file: Whether part of a name is enough in split files.
        dataset_bands: The bands of a file, in order: names, positions or inclusive intervals.
        predict_dataset_bands: The bands of files to predict, if they differ.
        output_bands: The bands that go to the model, in order; all by default.
        constant_scale: Values are multiplied by this.
        rgb_indices: Output bands to show as red, green and blue; by default found by name.
        train_transform: Transforms of training, such as `[{class_path: D4}]`.
        val_transform: Transforms of validation.
        test_transform: Transforms of the test.
        expand_temporal_dimension: Whether files hold several time steps of `dataset_bands`.
        no_data_replace: Replaces nodata and NaN in images, before scaling.
        drop_last: Whether to drop an incomplete last batch of training.
        check_stackability: Whether to explain images of different sizes in a batch.
        temporal_channel_major: Whether all time steps of a band follow each other in a file,
            instead of all bands of a time step.
        **kwargs: None are known: others are an error.
    """

    def __init__(
        self,
        batch_size: int,
        num_workers: int,
        train_data_root: Path,
        val_data_root: Path,
        test_data_root: Path,
        means: list[float] | str,
        stds: list[float] | str,
        num_classes: int,
        predict_data_root: Path | None = None,
        train_split: Path | None = None,
        val_split: Path | None = None,
        test_split: Path | None = None,
        ignore_split_file_extensions: bool = True,
        allow_substring_split_file: bool = True,
        dataset_bands: list[HLSBands | int | tuple[int, int] | str] | None = None,
        predict_dataset_bands: list[HLSBands | int | tuple[int, int] | str] | None = None,
        output_bands: list[HLSBands | int | tuple[int, int] | str] | None = None,
        constant_scale: float = 1,
        rgb_indices: list[int] | None = None,
        train_transform: list[Any] | None = None,
        val_transform: list[Any] | None = None,
        test_transform: list[Any] | None = None,
        expand_temporal_dimension: bool = False,
        no_data_replace: float = 0,
        drop_last: bool = True,
        check_stackability: bool = True,
        temporal_channel_major: bool = False,
        **kwargs: object,
    ) -> None:
        refuse_unknown(type(self), kwargs)
        input_spec = InputSpec.create(
            dataset_bands=dataset_bands,
            output_bands=output_bands,
            means=read_numbers(means, "means"),
            stds=read_numbers(stds, "stds"),
            constant_scale=constant_scale,
            no_data_replace=no_data_replace,
            expand_temporal_dimension=expand_temporal_dimension,
            temporal_channel_major=temporal_channel_major,
            rgb_indices=rgb_indices,
        )
        super().__init__(
            input_spec,
            Loading(batch_size, num_workers, drop_last=drop_last, check_sizes=check_stackability),
            {
                "train": SplitSource(train_data_root, None, train_split, train_transform),
                "val": SplitSource(val_data_root, None, val_split, val_transform),
                "test": SplitSource(test_data_root, None, test_split, test_transform),
            },
            predict_root=predict_data_root,
            predict_pattern="**",
            predict_input_spec=input_spec.with_bands(predict_dataset_bands, None),
        )
        self.num_classes = num_classes
        self._make_dataset = partial(
            GenericNonGeoClassificationDataset,
            num_classes=num_classes,
            ignore_split_file_extensions=ignore_split_file_extensions,
            allow_substring_split_file=allow_substring_split_file,
        )

    @property
    def class_names(self) -> list[str] | None:
        """The names of the class folders in all splits, in the order of the ids; None without any.

        A split may lack a class: ids are the same in all of them.
        """
        roots = (source.images for source in self._sources.values())
        names = {name for root in roots if root for name in class_folders(Path(root))}
        return sorted(names) or None

    def build_dataset(self, split: str, source: SplitSource) -> ImageFolderDataset:
        """Build the data set of `train`, `val` or `test`."""
        assert source.images is not None
        return self._make_dataset(
            source.images,
            split=source.split,
            transform=source.transform,
            class_names=self.class_names,
            names=OptionNames.of_data_module(split),
            image_spec=self.input_spec.image,
        )
