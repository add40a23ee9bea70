"""Open a raster and read the bands and the window that are needed, as numpy.

GDAL settings are scoped to one open file; nothing global is changed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.windows import Window

from terratorch.errors import DataError, MissingFileError
from terratorch.geo.remote import is_on_network, is_virtual, network_settings
from terratorch.geo.types import Array, DatasetReader

# Without it GDAL lists the whole folder at each open, which is slow in folders of many chips. Side
# files (.aux.xml, .ovr) are still found by their names.
_GDAL_SETTINGS = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}

# The tag of a virtual raster that joins the files of a scene for one run.
JOINED_TAG = "TERRATORCH_JOINED"

# Files that viewers may add to an image at any time.
_VIEWER_FILES = (".aux.xml", ".ovr")


@dataclass(frozen=True, slots=True)
class RasterData:
    """Pixels that were read.

    Args:
        path: The file.
        data: The bands, `(C, H, W)`, in the dtype of the file.
        invalid: Values that are nodata, NaN or infinite, `(C, H, W)`; None if all are valid.
        nodata: The value for no data in the file, or None.
    """

    path: Path
    data: Array
    invalid: NDArray[np.bool_] | None
    nodata: float | None

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Pixels of which all bands are valid, `(H, W)`."""
        if self.invalid is None:
            return np.ones(self.data.shape[-2:], bool)
        hidden: NDArray[np.bool_] = np.any(self.invalid, axis=0)
        return ~hidden


@contextmanager
def open_raster(path: str | Path) -> Iterator[DatasetReader]:
    """Open a raster for reading.

    Raises:
        MissingFileError: If there is no such file.
        DataError: If it is not an image, or is damaged.
    """
    with _settings(), _open(path) as dataset, reading_errors(path):
        yield dataset


def open_for_long(path: str | Path) -> DatasetReader:
    """Open a raster to be read piece by piece, within `reading_errors`; the caller closes it.

    Raises:
        MissingFileError: If there is no such file.
        DataError: If it is not an image.
    """
    with _settings():
        return _open(path)


def _settings() -> rasterio.Env:
    return rasterio.Env(**_GDAL_SETTINGS, **network_settings())


@contextmanager
def reading_errors(path: str | Path) -> Iterator[None]:
    """Raise errors of reading an image as a `DataError` that names it."""
    try:
        with _settings() if is_on_network(path) else nullcontext():
            yield
    except RasterioIOError as error:
        if is_on_network(path):
            raise _network_error(path, error) from error
        raise DataError(
            str(path),
            f"the image is damaged: {_reason(error)}",
            "It may have been cut off while it was copied: get it again, or skip it.",
        ) from error


@contextmanager
def georeferenced_or_not() -> Iterator[None]:
    """Suppress the warning about rasters without georeferencing, such as PNG masks.

    Warning filters belong to the process, and threads undo each other's: a run with threads sets
    this around all of them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _open(path: str | Path) -> DatasetReader:
    try:
        with georeferenced_or_not():
            return rasterio.open(str(path) if is_virtual(path) else path)
    except RasterioIOError as error:
        if is_on_network(path):
            raise _network_error(path, error) from error
        local = Path(path)
        if "://" not in str(path) and not local.exists():
            raise MissingFileError(str(path), "there is no such file", "Check the path.") from error
        what = "a folder" if local.is_dir() else "not an image that can be read"
        reason = _reason(error).removeprefix(f"'{path}' ")  # GDAL names the file as well
        raise DataError(
            str(path),
            f"{what} ({reason})",
            "Images are GeoTIFF files, or of another raster format that GDAL reads.",
        ) from error


def _network_error(path: str | Path, error: BaseException) -> DataError:
    return DataError(
        str(path),
        f"cannot be read over the network ({_reason(error)})",
        "Check the address and the connection, and run again: complete maps are skipped. "
        "GDAL_HTTP_TIMEOUT and GDAL_HTTP_MAX_RETRY make it wait longer.",
    )


def _reason(error: BaseException) -> str:
    cause = error.__cause__ or error
    text = str(cause).strip().splitlines()
    return text[0].rstrip(".") if text else type(cause).__name__


def files_behind(path: str | Path) -> list[Path]:
    """Return the local files that pixels are read from: a virtual raster and its sources.

    Raises:
        MissingFileError: If there is no such file.
        DataError: If it is not an image.
    """
    if is_virtual(path):
        return []
    names = [str(path)]
    if Path(path).suffix.lower() == ".vrt":
        with open_raster(path) as dataset:
            names = [name for name in dataset.files if not name.endswith(_VIEWER_FILES)]
    return [file for file in map(Path, names) if file.exists()]


def images_behind(path: str | Path) -> list[str]:
    """Return the files of a scene that was joined for a run, or else the image itself.

    Args:
        path: The image; it may have been removed.

    Raises:
        DataError: If it is a virtual raster that cannot be read.
    """
    if not str(path).lower().endswith(".vrt") or not Path(path).is_file():
        return [str(path)]
    with open_raster(path) as dataset:
        if JOINED_TAG not in dataset.tags():
            return [str(path)]
        files = [name for name in dataset.files if not name.endswith(_VIEWER_FILES)]
        return [name for name in files if Path(name) != Path(path)]


def read_bands(
    dataset: DatasetReader,
    indexes: Sequence[int] | None = None,
    window: Window | None = None,
    shape: tuple[int, int] | None = None,
) -> RasterData:
    """Read bands of an open raster.

    Args:
        dataset: An open raster.
        indexes: Which bands, counted from 1, in the order of the result; None reads all.
        window: Which part; None reads the whole.
        shape: Height and width, if fewer than those of the part: the nearest pixels are read.
    """
    indexes = list(dataset.indexes if indexes is None else indexes)
    out_shape = None if shape is None else (len(indexes), *shape)
    data = dataset.read(indexes, window=window, out_shape=out_shape)
    nodata = [dataset.nodatavals[index - 1] for index in indexes]
    invalid = _invalid(data, nodata)
    if has_mask(dataset, indexes):
        hidden = dataset.read_masks(indexes, window=window, out_shape=out_shape) == 0
        if hidden.any():
            invalid = hidden if invalid is None else invalid | hidden
    return RasterData(Path(dataset.name), data, invalid, dataset.nodata)


def read_raster(
    path: str | Path, indexes: Sequence[int] | None = None, window: Window | None = None
) -> RasterData:
    """Read bands of a file; see `read_bands`."""
    with open_raster(path) as dataset:
        return read_bands(dataset, indexes, window)


def _invalid(data: Array, nodata: Sequence[float | None]) -> NDArray[np.bool_] | None:
    """Return which values are nodata, NaN or infinite; None if all are valid."""
    invalid: NDArray[np.bool_] | None = None
    if data.dtype.kind in "fc":
        invalid = ~np.isfinite(data)
    if any(value is not None for value in nodata):
        # One comparison for all bands if they share a value, as they do in a GeoTIFF.
        same = all(value == nodata[0] for value in nodata)
        equal = (
            _equals(data, nodata[0])
            if same
            else np.stack([_equals(band, value) for band, value in zip(data, nodata, strict=True)])
        )
        invalid = equal if invalid is None else invalid | equal
    return invalid if invalid is not None and invalid.any() else None


def _equals(data: Array, value: float | None) -> NDArray[np.bool_]:
    if value is None or np.isnan(value):
        return np.zeros(data.shape, bool)
    if data.dtype.kind in "iu":
        limits = np.iinfo(data.dtype)
        if value != int(value) or not limits.min <= value <= limits.max:
            return np.zeros(data.shape, bool)
    return data == data.dtype.type(value)


def has_mask(dataset: DatasetReader, indexes: Sequence[int]) -> bool:
    """Return whether a mask of an open raster may hide pixels of bands.

    An alpha band that is read is data: GDAL calls the last of four bytes alpha, even if it is near
    infrared.

    Args:
        dataset: An open raster.
        indexes: The bands that are read, counted from 1.
    """
    if MaskFlags.per_dataset not in dataset.mask_flag_enums[indexes[0] - 1]:
        return False
    return all(dataset.colorinterp[index - 1] is not ColorInterp.alpha for index in indexes)
