"""Fixtures that several test folders use: tiny folders of GeoTIFF chips."""

from pathlib import Path

import pytest

from chip_files import write_classification_folder, write_segmentation_folder


@pytest.fixture(scope="session")
def segmentation_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 4 chips of 6 bands, 32 x 32, with masks of 3 classes. Do not write to it.

    `img_grep` is `*_merged.tif`, `label_grep` is `*.mask.tif`.
    """
    return write_segmentation_folder(tmp_path_factory.mktemp("segmentation"))


@pytest.fixture(scope="session")
def classification_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the classes `forest` and `water`, 3 chips each. Do not write to it."""
    return write_classification_folder(tmp_path_factory.mktemp("classification"))
