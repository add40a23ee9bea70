"""What is done to a map whose last row is written: overviews, the cloud-optimised form, a check."""

from __future__ import annotations

import errno
import warnings
from pathlib import Path
from typing import Any

import rasterio
import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning

from terratorch.errors import DataError
from terratorch.geo.partial_file import PartialFile, temporary_folder
from terratorch.geo.raster import open_raster
from terratorch.prediction.maps.encoding import Encoding
from terratorch.prediction.partial import is_on_disk

# A viewer reads a map of this size at once; a larger one gets overviews down to this size.
_SMALL = 512


def finish(partial: PartialFile, encoding: Encoding) -> None:
    """Add overviews to a map, make it cloud-optimised if that is asked for, and check it.

    Args:
        partial: The temporary file, with all rows; it is changed in place.
        encoding: How the map is stored.

    Raises:
        OSError: If the disk takes no more, or blocks are missing: GDAL does not report all failed
            writes.
        RasterioError: As `OSError`, where GDAL says so.
    """
    with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS"), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        _add_overviews(partial.path, encoding)
        if encoding.format == "cog":
            _check_complete(partial.path)
            _optimise(partial)
        _check_complete(partial.path)


def overview_factors(height: int, width: int) -> list[int]:
    """Return by how much each overview is smaller than the map: none of one that is small."""
    factors = [2]
    while max(height, width) / factors[-1] > _SMALL:
        factors.append(2 * factors[-1])
    return factors if max(height, width) > _SMALL else []


def _add_overviews(path: Path, encoding: Encoding) -> None:
    # Between two classes there is no third; of values the mean says more than one of them.
    resampling = Resampling.nearest if encoding.is_classes else Resampling.average
    # Not with our own messages: what cannot be read here could not be written.
    with rasterio.open(path) as dataset:
        factors = overview_factors(dataset.height, dataset.width)
    if factors:
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews(factors, resampling)


def _optimise(partial: PartialFile) -> None:
    """Replace a GeoTIFF with its copy in the order that readers over a network want."""
    path = partial.path
    with rasterio.open(path) as dataset:
        bits = dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
    with temporary_folder(path.parent) as folder:
        copy = folder / path.name
        rasterio.shutil.copy(
            path,
            copy,
            driver="COG",
            compress="DEFLATE",
            predictor="YES",
            overviews="FORCE_USE_EXISTING",
            bigtiff="IF_SAFER",
            **({} if bits is None else {"nbits": bits}),
        )
        partial.replace_with(copy)


def _check_complete(path: Path) -> None:
    """Check that every block of a file and of its overviews is on the disk."""
    try:
        missing = _missing_block(path)
    except DataError as error:
        raise OSError(errno.EIO, f"the file came out damaged: {error.problem}") from error
    if missing is not None:
        raise OSError(errno.EIO, f"block {missing} is not on the disk")


def _missing_block(path: Path) -> tuple[int, int] | None:
    size = path.stat().st_size
    with open_raster(path) as dataset:
        overviews = range(len(dataset.overviews(1)))
        missing = _first_missing(dataset, size)
    for level in overviews:
        if missing is None:
            with rasterio.open(path, overview_level=level) as dataset:
                missing = _first_missing(dataset, size)
    return missing


def _first_missing(dataset: Any, size: int) -> tuple[int, int] | None:
    for band in dataset.indexes:
        for (row, column), _ in dataset.block_windows(band):
            if not is_on_disk(dataset, band, row, column, size):
                return row, column
    return None
