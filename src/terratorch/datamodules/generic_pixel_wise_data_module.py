"""Data modules for folders of images with a label for each pixel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from terratorch.contracts.input_spec import InputSpec
from terratorch.datamodules.base import GenericDataModule, Loading, SplitSource, refuse_unknown
from terratorch.datamodules.utils import read_numbers
from terratorch.datasets.generic_pixel_wise_dataset import (
    GenericNonGeoPixelwiseRegressionDataset,
    GenericNonGeoSegmentationDataset,
    refuse_unsupported,
)
from terratorch.datasets.image_folder_dataset import ImageFolderDataset
from terratorch.datasets.pairing import OptionNames
from terratorch.datasets.utils import HLSBands

BandList = list[HLSBands | int | tuple[int, int] | str]


class GenericPixelWiseDataModule(GenericDataModule):
    """Splits of a pixel-wise data set.

    Args:
        make_dataset: Makes the data set of a split; takes what differs between splits.
        *args: Arguments of `GenericDataModule`.
        **kwargs: Further ones.
    """

    def __init__(
        self, make_dataset: Callable[..., ImageFolderDataset], *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._make_dataset = make_dataset

    def build_dataset(self, split: str, source: SplitSource) -> ImageFolderDataset:
        """Build the data set of `train`, `val` or `test`."""
        assert source.images is not None
        return self._make_dataset(
            data_root=source.images,
            label_data_root=source.labels,
            split=source.split,
            transform=source.transform,
            names=OptionNames.of_data_module(split),
            image_spec=self.input_spec.image,
        )


class GenericNonGeoSegmentationDataModule(GenericPixelWiseDataModule):
    """Images and masks of class ids, in folders.

    Args:
        batch_size: Chips in a batch.
        num_workers: Processes that read; 0 reads in the main process.
        num_classes: How many classes there are.
        train_data_root: The folder of the images of training.
        val_data_root: The folder of the images of validation.
        test_data_root: The folder of the images of the test.
        img_grep: Glob pattern of the images' names, such as `*_merged.tif`.
        label_grep: Glob pattern of the masks' names, such as `*.mask.tif`.
        means: The mean of each output band, or a file of them; None for no normalisation.
        stds: The standard deviation of each output band, or a file of them.
        predict_data_root: A folder of images to predict, or one image.
        train_label_data_root: The folder of the masks of training; None if with the images.
        val_label_data_root: The folder of the masks of validation; None if with the images.
        test_label_data_root: The folder of the masks of the test; None if with the images.
        train_split: File with the names of the chips of training, one per line; None for all.
        val_split: File with the names of the chips of validation.
        test_split: File with the names of the chips of the test.
        ignore_split_file_extensions: Whether to ignore extensions in split files.
        allow_substring_split_file: Whether part of a name is enough in split files.
        dataset_bands: The bands of a file, in order: names, positions or inclusive intervals.
        output_bands: The bands that go to the model, in order; all by default.
        predict_dataset_bands: The bands of files to predict, if they differ.
        predict_output_bands: Which of those go to the model.
        constant_scale: Values are multiplied by this.
        rgb_indices: Output bands to show as red, green and blue; by default found by name.
        train_transform: Transforms of training, such as `[{class_path: D4}]`.
        val_transform: Transforms of validation.
        test_transform: Transforms of the test.
        expand_temporal_dimension: Whether files hold several time steps of `dataset_bands`.
        reduce_zero_label: Whether labels count from 1, and 0 means unlabelled: 1 is subtracted,
            and 0 becomes `no_label_replace`, or -1 if that is not set.
        no_data_replace: Replaces nodata and NaN in images, before scaling; None if
            they are errors.
        no_label_replace: Replaces nodata and NaN in masks.
        embedding_input: Not supported yet.
        pca_step: Not used without `embedding_input`.
        drop_last: Whether to drop an incomplete last batch of training.
        pin_memory: Whether to copy batches to pinned memory, if there is a GPU.
        check_stackability: Whether to explain images of different sizes in a batch.
        tortilla_file: Not supported yet.
        return_georeference: Not supported yet; predictions keep the georeference of their images.
        temporal_channel_major: Whether all time steps of a band follow each other in a file,
            instead of all bands of a time step.
        **kwargs: None are known: others are an error.
    """

    def __init__(
        self,
        batch_size: int,
        num_workers: int,
        num_classes: int,
        train_data_root: Path | None = None,
        val_data_root: Path | None = None,
        test_data_root: Path | None = None,
        img_grep: str = "*",
        label_grep: str = "*",
        means: list[float] | str | None = None,
        stds: list[float] | str | None = None,
        predict_data_root: Path | None = None,
        train_label_data_root: Path | None = None,
        val_label_data_root: Path | None = None,
        test_label_data_root: Path | None = None,
        train_split: Path | None = None,
        val_split: Path | None = None,
        test_split: Path | None = None,
        ignore_split_file_extensions: bool = True,
        allow_substring_split_file: bool = True,
        dataset_bands: BandList | None = None,
        output_bands: BandList | None = None,
        predict_dataset_bands: BandList | None = None,
        predict_output_bands: BandList | None = None,
        constant_scale: float = 1,
        rgb_indices: list[int] | None = None,
        train_transform: list[Any] | None = None,
        val_transform: list[Any] | None = None,
        test_transform: list[Any] | None = None,
        expand_temporal_dimension: bool = False,
        reduce_zero_label: bool = False,
        no_data_replace: float | None = None,
        no_label_replace: int | None = None,
        embedding_input: bool = False,
        pca_step: int = 4,
        drop_last: bool = True,
        pin_memory: bool = False,
        check_stackability: bool = True,
        tortilla_file: Path | None = None,
        return_georeference: bool = False,
        temporal_channel_major: bool = False,
        **kwargs: object,
    ) -> None:
        refuse_unknown(type(self), kwargs)
        refuse_unsupported(
            embedding_input=embedding_input,
            tortilla_file=tortilla_file is not None,
            return_georeference=return_georeference,
        )
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
            partial(
                GenericNonGeoSegmentationDataset,
                num_classes=num_classes,
                image_grep=img_grep,
                label_grep=label_grep,
                ignore_split_file_extensions=ignore_split_file_extensions,
                allow_substring_split_file=allow_substring_split_file,
                no_label_replace=no_label_replace,
                reduce_zero_label=reduce_zero_label,
            ),
            input_spec,
            Loading(batch_size, num_workers, drop_last, pin_memory, check_stackability),
            {
                "train": SplitSource(
                    train_data_root, train_label_data_root, train_split, train_transform
                ),
                "val": SplitSource(val_data_root, val_label_data_root, val_split, val_transform),
                "test": SplitSource(
                    test_data_root, test_label_data_root, test_split, test_transform
                ),
            },
            predict_root=predict_data_root,
            predict_pattern=img_grep,
            predict_input_spec=input_spec.with_bands(predict_dataset_bands, predict_output_bands),
        )
        self.num_classes = num_classes


class GenericNonGeoPixelwiseRegressionDataModule(GenericPixelWiseDataModule):
    """Images and rasters of values, in folders.

    Args:
        batch_size: Chips in a batch.
        num_workers: Processes that read; 0 reads in the main process.
        train_data_root: The folder of the images of training.
        val_data_root: The folder of the images of validation.
        test_data_root: The folder of the images of the test.
        img_grep: Glob pattern of the images' names, such as `*_merged.tif`.
        label_grep: Glob pattern of the values' names, such as `*.mask.tif`.
        means: The mean of each output band, or a file of them; None for no normalisation.
        stds: The standard deviation of each output band, or a file of them.
        predict_data_root: A folder of images to predict, or one image.
        train_label_data_root: The folder of the values of training; None if with the images.
        val_label_data_root: The folder of the values of validation; None if with the images.
        test_label_data_root: The folder of the values of the test; None if with the images.
        train_split: File with the names of the chips of training, one per line; None for all.
        val_split: File with the names of the chips of validation.
        test_split: File with the names of the chips of the test.
        ignore_split_file_extensions: Whether to ignore extensions in split files.
        allow_substring_split_file: Whether part of a name is enough in split files.
        dataset_bands: The bands of a file, in order: names, positions or inclusive intervals.
        output_bands: The bands that go to the model, in order; all by default.
        predict_dataset_bands: The bands of files to predict, if they differ.
        predict_output_bands: Which of those go to the model.
        constant_scale: Values are multiplied by this.
        rgb_indices: Output bands to show as red, green and blue; by default found by name.
        train_transform: Transforms of training, such as `[{class_path: D4}]`.
        val_transform: Transforms of validation.
        test_transform: Transforms of the test.
        expand_temporal_dimension: Whether files hold several time steps of `dataset_bands`.
        reduce_zero_label: Whether 1 is subtracted from values.
        no_data_replace: Replaces nodata and NaN in images, before scaling; None if
            they are errors.
        no_label_replace: Replaces nodata and NaN in values; they become NaN if None.
        embedding_input: Not supported yet.
        pca_step: Not used without `embedding_input`.
        drop_last: Whether to drop an incomplete last batch of training.
        pin_memory: Whether to copy batches to pinned memory, if there is a GPU.
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
        means: list[float] | str | None = None,
        stds: list[float] | str | None = None,
        predict_data_root: Path | None = None,
        img_grep: str | None = "*",
        label_grep: str | None = "*",
        train_label_data_root: Path | None = None,
        val_label_data_root: Path | None = None,
        test_label_data_root: Path | None = None,
        train_split: Path | None = None,
        val_split: Path | None = None,
        test_split: Path | None = None,
        ignore_split_file_extensions: bool = True,
        allow_substring_split_file: bool = True,
        dataset_bands: BandList | None = None,
        output_bands: BandList | None = None,
        predict_dataset_bands: BandList | None = None,
        predict_output_bands: BandList | None = None,
        constant_scale: float = 1,
        rgb_indices: list[int] | None = None,
        train_transform: list[Any] | None = None,
        val_transform: list[Any] | None = None,
        test_transform: list[Any] | None = None,
        expand_temporal_dimension: bool = False,
        reduce_zero_label: bool = False,
        no_data_replace: float | None = None,
        no_label_replace: int | None = None,
        embedding_input: bool = False,
        pca_step: int = 4,
        drop_last: bool = True,
        pin_memory: bool = False,
        check_stackability: bool = True,
        temporal_channel_major: bool = False,
        **kwargs: object,
    ) -> None:
        refuse_unknown(type(self), kwargs)
        refuse_unsupported(embedding_input=embedding_input)
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
            partial(
                GenericNonGeoPixelwiseRegressionDataset,
                image_grep=img_grep,
                label_grep=label_grep,
                ignore_split_file_extensions=ignore_split_file_extensions,
                allow_substring_split_file=allow_substring_split_file,
                no_label_replace=no_label_replace,
                reduce_zero_label=reduce_zero_label,
            ),
            input_spec,
            Loading(batch_size, num_workers, drop_last, pin_memory, check_stackability),
            {
                "train": SplitSource(
                    train_data_root, train_label_data_root, train_split, train_transform
                ),
                "val": SplitSource(val_data_root, val_label_data_root, val_split, val_transform),
                "test": SplitSource(
                    test_data_root, test_label_data_root, test_split, test_transform
                ),
            },
            predict_root=predict_data_root,
            predict_pattern=img_grep,
            predict_input_spec=input_spec.with_bands(predict_dataset_bands, predict_output_bands),
        )
