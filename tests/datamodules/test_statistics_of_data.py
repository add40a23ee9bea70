import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch import LightningDataModule

from chip_files import write_segmentation_folder, write_tif
from terratorch.datamodules import (
    GenericNonGeoClassificationDataModule,
    GenericNonGeoSegmentationDataModule,
)
from terratorch.datamodules.statistics import compute_statistics
from terratorch.errors import DataError


def datamodule(folder, **options):
    return GenericNonGeoSegmentationDataModule(
        2, 0, 3, folder, img_grep="*_merged.tif", label_grep="*.mask.tif", **options
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    folder = write_segmentation_folder(tmp_path, count=2, bands=2, size=8)
    image = np.arange(128, dtype=np.int16).reshape(2, 8, 8)
    image[0, 0] = -1
    write_tif(folder / "chip_0_merged.tif", image, nodata=-1)
    write_tif(folder / "chip_1_merged.tif", 2 * image[:, ::-1], nodata=-2)
    write_tif(folder / "chip_0.mask.tif", np.array([[0] * 8] * 6 + [[1] * 8] * 2, np.uint8))
    write_tif(folder / "chip_1.mask.tif", np.zeros((8, 8), np.uint8))
    return folder


@pytest.mark.parametrize("workers", [0, 1])
def test_statistics_are_those_of_valid_pixels_scaled(folder, workers):
    module = datamodule(folder, constant_scale=0.1, no_data_replace=0, train_transform=["D4"])
    module.loading = type(module.loading)(2, workers)
    done = []
    statistics = compute_statistics(module, lambda *counts: done.append(counts))
    image = np.arange(128).reshape(2, 64)[:, 8:] * 0.1
    values = np.concatenate([image, 2 * image], axis=1)
    assert np.allclose(statistics.means, values.mean(1), rtol=1e-6)
    assert np.allclose(statistics.stds, values.std(1), rtol=1e-6)
    assert np.allclose(statistics.maximums, values.max(1), rtol=1e-6)
    assert (statistics.images, statistics.pixels, statistics.excluded_pixels) == (2, 128, 16)
    assert statistics.class_counts == {0: 112, 1: 16}
    assert done == [(1, 2), (2, 2)]


def test_the_text_is_a_file_of_means_and_stds(folder, tmp_path):
    module = datamodule(folder, constant_scale=1e-7, dataset_bands=["RED", "NIR_NARROW"])
    statistics = compute_statistics(module)
    text = statistics.to_yaml()
    (tmp_path / "statistics.yaml").write_text(text)
    assert set(yaml.safe_load(text)) == {"means", "stds"}
    assert "# NIR_NARROW" in text
    assert "#   1: 12.50% (16)" in text
    path = str(tmp_path / "statistics.yaml")
    again = datamodule(folder, means=path, stds=path)
    assert again.input_spec.image.means == pytest.approx(statistics.means, rel=1e-5)


def test_a_band_without_valid_pixels_is_named(tmp_path):
    write_segmentation_folder(tmp_path, count=1, size=8)
    image = np.ones((2, 8, 8), np.float32)
    image[1] = np.nan
    write_tif(tmp_path / "chip_0_merged.tif", image)
    with pytest.raises(DataError, match=r"band 0: none of the 64 pixels .* is valid"):
        compute_statistics(datamodule(tmp_path))


def test_classes_of_images_are_counted(classification_folder):
    module = GenericNonGeoClassificationDataModule(
        2, 0, *[classification_folder] * 3, [0.0] * 6, [1.0] * 6, 2
    )
    assert compute_statistics(module).class_counts == {0: 3, 1: 3}


def test_any_data_module_is_measured():
    class Own(LightningDataModule):
        def train_dataloader(self):
            image = torch.arange(16.0).view(2, 2, 2, 2)
            return [{"image": image, "mask": torch.zeros(2, 2, 2, dtype=torch.int64)}]

    statistics = compute_statistics(Own())
    assert statistics.means == (5.5, 9.5)
    assert (statistics.images, statistics.pixels) == (2, 8)


@pytest.mark.parametrize("complete", [0, 1])
def test_a_pixel_is_excluded_when_no_band_has_a_value(complete):
    """A NaN in one band keeps the value of the pixel in the others."""

    class Own(LightningDataModule):
        def train_dataloader(self):
            image = torch.arange(32.0).view(1, 2, 4, 4)
            image[:, :, 0] = torch.nan
            image[:, 1 - complete, 1] = torch.nan
            return [{"image": image}]

    statistics = compute_statistics(Own())
    assert (statistics.pixels, statistics.excluded_pixels) == (16, 4)
    expected = [9.5, 25.5]
    expected[1 - complete] += 2
    assert statistics.means == pytest.approx(expected)
