"""The shared tester over the generic data sets."""

import numpy as np
import pytest
import torch
from dataset_tester import check_dataset

from chip_files import BANDS, write_tif
from terratorch.datasets import (
    GenericNonGeoClassificationDataset,
    GenericNonGeoPixelwiseRegressionDataset,
    GenericNonGeoSegmentationDataset,
)

GREPS = {"image_grep": "*_merged.tif", "label_grep": "*.mask.tif"}
CROPS = [{"class_path": "CenterCrop", "init_args": {"height": 16, "width": 16}}]


@pytest.mark.parametrize("transform", [None, CROPS])
def test_segmentation(segmentation_folder, transform):
    dataset = GenericNonGeoSegmentationDataset(
        segmentation_folder,
        3,
        **GREPS,
        dataset_bands=BANDS,
        output_bands=BANDS[:4],
        transform=transform,
    )
    check_dataset(dataset, bands=4, target="mask")


@pytest.mark.parametrize("transform", [None, CROPS])
def test_pixel_wise_regression(segmentation_folder, transform):
    dataset = GenericNonGeoPixelwiseRegressionDataset(
        segmentation_folder, **GREPS, transform=transform
    )
    check_dataset(dataset, bands=6, target="mask", dtype=torch.float32)


@pytest.mark.parametrize("transform", [None, CROPS])
def test_classification(classification_folder, transform):
    dataset = GenericNonGeoClassificationDataset(
        classification_folder, 2, dataset_bands=BANDS, transform=transform
    )
    check_dataset(dataset, bands=6, target="label")


def test_classification_without_labels(classification_folder):
    dataset = GenericNonGeoClassificationDataset(
        classification_folder, 2, require_label=False, dataset_bands=BANDS
    )
    check_dataset(dataset, bands=6, target=None)


@pytest.mark.parametrize("band_major", [False, True])
def test_time_series(band_major, tmp_path):
    for number in range(2):
        series = np.arange(6, dtype=np.int16)[:, None, None] + np.zeros((6, 16, 16), np.int16)
        write_tif(tmp_path / f"chip_{number}_20200101_20200201_20200301_merged.tif", series)
        mask = np.ones((16, 16), np.uint8)
        write_tif(tmp_path / f"chip_{number}_20200101_20200201_20200301.mask.tif", mask)
    dataset = GenericNonGeoSegmentationDataset(
        tmp_path, 3, **GREPS, dataset_bands=["RED", "BLUE"], expand_temporal_dimension=True,
        temporal_channel_major=band_major,
    )  # fmt: skip
    check_dataset(dataset, bands=2, target="mask", steps=3)
    sample = dataset[0]
    red = [0, 1, 2] if band_major else [0, 2, 4]
    assert sample["image"][0, :, 0, 0].tolist() == red
    assert sample["temporal_coords"][:, 1].tolist() == [0, 31, 60]
