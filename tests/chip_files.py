"""Write tiny folders of GeoTIFF chips, for the tests, and fill the disk."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

BANDS = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]


def write_tif(path: Path, array: np.ndarray, nodata: float | None = None) -> Path:
    """Write bands, rows and columns (or rows and columns) as a georeferenced GeoTIFF."""
    array = array if array.ndim == 3 else array[None]
    count, height, width = array.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=array.dtype,
        crs="EPSG:32633",
        transform=Affine(10, 0, 500_000, 0, -10, 5_500_000),
        nodata=nodata,
    ) as dataset:
        dataset.write(array)
    return path


def write_segmentation_folder(
    folder: Path, count: int = 4, bands: int = 6, size: int = 32, classes: int = 3
) -> Path:
    """Write `chip_I_merged.tif` (int16) and `chip_I.mask.tif` (uint8, learnable from the image)."""
    random = np.random.default_rng(0)
    for number in range(count):
        mask = random.integers(0, classes, (size // 8, size // 8)).repeat(8, 0).repeat(8, 1)
        image = 1000 * mask + random.integers(0, 200, (bands, size, size))
        write_tif(folder / f"chip_{number}_merged.tif", image.astype(np.int16))
        write_tif(folder / f"chip_{number}.mask.tif", mask.astype(np.uint8))
    return folder


def write_classification_folder(
    folder: Path, classes: tuple[str, ...] = ("forest", "water"), count: int = 3, bands: int = 6
) -> Path:
    """Write a folder for each class with chips `CLASS_I.tif` (int16, 32 x 32)."""
    random = np.random.default_rng(0)
    for place, name in enumerate(classes):
        for number in range(count):
            image = 1000 * place + random.integers(0, 200, (bands, 32, 32))
            write_tif(folder / name / f"{name}_{number}.tif", image.astype(np.int16))
    return folder


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let writing fail beyond some bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
