"""Write maps: GeoTIFF files that appear under their final name only when they are complete."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.rpc import RPC
from rasterio.windows import Window
from torch import Tensor

from terratorch.contracts.map_tags import PATCH_TAG
from terratorch.errors import DataError, OutputError, TerraTorchError
from terratorch.geo.disk import why_not_written
from terratorch.geo.grid import PixelGrid
from terratorch.geo.partial_file import PartialFile, create
from terratorch.geo.raster import open_raster
from terratorch.geo.types import CRS, Affine, Array, DatasetReader, DatasetWriter
from terratorch.prediction.maps.encoding import Encoding
from terratorch.prediction.maps.finishing import finish

_BLOCK, _SMALL_BLOCK = 512, 256  # pixels along a side of the blocks of a file
_MANY_BANDS = 64  # files with more bands, such as embeddings, have smaller blocks


@dataclass(frozen=True)
class Georeference:
    """Where the pixels of an image lie; a map of the image takes it over.

    Attributes:
        path: The image.
        height: Rows.
        width: Columns.
        crs: The coordinate reference system, None where there is none.
        transform: From pixels to coordinates, None where there is none.
        gcps: Ground control points and their CRS, for an image without a transform.
        rpcs: Rational polynomial coefficients, None where there are none.
        patch_size: Pixels of the image along a side of a pixel here.
    """

    path: str
    height: int
    width: int
    crs: CRS | None = None
    transform: Affine | None = None
    gcps: tuple[Sequence[GroundControlPoint], CRS | None] = ((), None)
    rpcs: RPC | None = None
    patch_size: int = 1

    @classmethod
    def of(cls, path: str | Path) -> Georeference:
        """Read it from an image.

        Raises:
            MissingFileError: If there is no such file.
            DataError: If it is not an image.
        """
        with open_raster(path) as dataset:
            return cls.of_open(path, dataset)

    @classmethod
    def of_open(cls, path: str | Path, dataset: DatasetReader) -> Georeference:
        """Read it from an image that is open."""
        return cls(
            path=str(path),
            height=dataset.height,
            width=dataset.width,
            crs=dataset.crs,
            transform=None if dataset.transform.is_identity else dataset.transform,
            gcps=dataset.gcps,
            rpcs=dataset.rpcs,
        )

    @property
    def grid(self) -> PixelGrid:
        """Where its pixels are."""
        transform = Affine.identity() if self.transform is None else self.transform
        return PixelGrid(self.crs, transform, self.height, self.width)

    def coarsened(self, patch_size: int) -> Georeference:
        """Return the grid of patches of the image; the last ones may reach beyond it.

        Rational polynomial coefficients are dropped: they are in pixels of the image.
        """
        if patch_size == 1:
            return self
        points, crs = self.gcps
        scaled = [
            GroundControlPoint(
                point.row / patch_size, point.col / patch_size, point.x, point.y, point.z
            )
            for point in points
        ]
        return replace(
            self,
            height=-(-self.height // patch_size),
            width=-(-self.width // patch_size),
            transform=self.transform and self.transform @ Affine.scale(patch_size),
            gcps=(scaled, crs),
            rpcs=None,
            patch_size=patch_size,
        )

    def check_size(self, height: int, width: int) -> None:
        """Refuse a prediction of another size: it would lie elsewhere than the image.

        Raises:
            DataError: If the size differs.
        """
        if (height, width) != (self.height, self.width):
            raise DataError(
                self.path,
                f"the prediction has {height} x {width} pixels, the image "
                f"{self.height} x {self.width}: where it would lie is not known",
                "Leave transforms that resize or crop out of predict_transform and test_transform.",
            )


class MapWriter:
    """Write one map, whole or row by row; use it as a context manager.

    Pixels go to a temporary file in the same folder. It gets its final name when the block ends,
    and is removed if the block fails.

    Args:
        path: The final name.
        reference: Where the pixels lie.
        encoding: How they are stored.
        tags: Further tags of the file.
        unfinished: A temporary file of an earlier run to resume, held for this one.
        begin: The number of rows in that file.

    Attributes:
        file: The temporary file.
    """

    def __init__(
        self,
        path: Path,
        reference: Georeference,
        encoding: Encoding,
        tags: Mapping[str, str] | None = None,
        unfinished: PartialFile | None = None,
        begin: int = 0,
    ) -> None:
        self.path = path
        self.reference = reference
        self.encoding = encoding
        self.tags = dict(tags or {})
        self.block = _block_size(reference, encoding)
        self._taken = begin
        self._waiting: list[Array] = []  # encoded rows that do not fill a row of blocks yet
        make_folder(path.parent)
        with output_errors(path):
            self.file = unfinished or create(path)
        try:
            with output_errors(path):
                self._dataset = self._created() if unfinished is None else self._reopened()
        except TerraTorchError:
            self.file.remove()
            raise

    def __enter__(self) -> MapWriter:
        return self

    def _created(self) -> DatasetWriter:
        reference, encoding, block = self.reference, self.encoding, self.block
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(
                self.file.path,  # the same file throughout, so that the lock holds
                "w",
                driver="GTiff",
                height=reference.height,
                width=reference.width,
                count=len(encoding.band_names),
                dtype=encoding.dtype,
                nodata=encoding.nodata,
                crs=reference.crs,
                transform=reference.transform,
                tiled=True,
                blockxsize=block,
                blockysize=block,
                compress="deflate",
                BIGTIFF="IF_SAFER",
                # Missing blocks show how many rows are written.
                SPARSE_OK=reference.height > block,
                **encoding.creation_options(),
            )
        points, crs = reference.gcps
        if points and reference.transform is None:
            dataset.gcps = (points, crs)
        if reference.rpcs is not None:
            dataset.rpcs = reference.rpcs
        self._describe(dataset)
        if reference.height <= block:
            return dataset
        dataset.close()
        return self._reopened()  # in this mode empty blocks are written too

    def _reopened(self) -> DatasetWriter:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(self.file.path, "r+")

    def _describe(self, dataset: DatasetWriter) -> None:
        colormap = self.encoding.colormap()
        if colormap is not None:
            dataset.write_colormap(1, colormap)
        for index, name in enumerate(self.encoding.band_names, start=1):
            dataset.set_band_description(index, name)
        if self.encoding.step is not None:
            dataset.scales = (self.encoding.step,) * dataset.count
        if self.reference.patch_size > 1:
            dataset.update_tags(**{PATCH_TAG: self.reference.patch_size})
        dataset.update_tags(**self.encoding.tags(), **self.tags)

    def write_rows(self, top: int, rows: Tensor, valid: Tensor | None = None) -> None:
        """Write `(C, n, W)`, the rows from `top` on; calls come in order.

        Args:
            top: The first row.
            rows: What was predicted.
            valid: `(n, W)`, False where the input holds nodata.

        Raises:
            DataError: If a value cannot be stored.
            OutputError: If the folder takes no more.
        """
        assert top == self._taken, f"rows from {top} on, but {self._taken} were written"
        self._waiting.append(self.encoding.encode(rows, valid, self.reference.path))
        waiting = sum(part.shape[1] for part in self._waiting)
        begin = self._taken + rows.shape[1] - waiting
        self._taken += rows.shape[1]
        # Whole rows of blocks only: half-filled ones would be compressed and written twice.
        ready = waiting if self._taken == self.reference.height else waiting - waiting % self.block
        if ready:
            self._write_blocks(begin, ready)

    def _write_blocks(self, top: int, count: int) -> None:
        parts = self._waiting
        pixels = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        self._waiting = [] if count == pixels.shape[1] else [pixels[:, count:].copy()]
        window = Window(0, top, pixels.shape[-1], count)
        with output_errors(self.path):
            self._dataset.write(pixels[:, :count], window=window)

    @property
    def written(self) -> int:
        """How many rows are in the file, which are in whole rows of blocks."""
        return self._taken - sum(part.shape[1] for part in self._waiting)

    def save(self) -> None:
        """Bring the rows that are in the file onto the disk: another run can go on from there.

        Raises:
            OutputError: If the folder takes no more.
        """
        with output_errors(self.path):
            self._dataset.close()
            self._dataset = self._reopened()

    def suspend(self) -> None:
        """Leave the temporary file for another run, instead of the end of the block."""
        try:
            with output_errors(self.path):
                self._dataset.close()
        finally:
            self.file.release()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is not None:
                return
            assert self._taken == self.reference.height, "some rows were not written"
            with output_errors(self.path):
                self._dataset.close()
                finish(self.file, self.encoding)
                self.file.publish(self.path)
        finally:
            self._discard()

    def _discard(self) -> None:
        """Remove what is not complete; nothing is left after a success."""
        # It is thrown away, and what went wrong is being raised already.
        with suppress(RasterioError, CPLE_BaseError):
            self._dataset.close()
        self.file.remove()


def _block_size(reference: Georeference, encoding: Encoding) -> int:
    """Return the side of a block; a row of blocks of many bands must fit into memory."""
    block = _SMALL_BLOCK if max(reference.height, reference.width) <= _SMALL_BLOCK else _BLOCK
    bands = len(encoding.band_names)
    if bands <= _MANY_BANDS:
        return block
    return max(16, 1 << (block * _MANY_BANDS // bands).bit_length() - 1)


def is_complete(path: Path, reference: Georeference, tags: Mapping[str, str]) -> bool:
    """Return whether `path` is a finished map with this image's size and these tags."""
    if not path.is_file():
        return False
    try:
        with open_raster(path) as dataset:
            size: tuple[int, int] = dataset.shape
            stored = dataset.tags()
    except DataError:  # not a raster; it will be replaced
        return False
    if size != (reference.height, reference.width):
        return False
    return all(stored.get(key) == value for key, value in tags.items())


def make_folder(folder: Path) -> None:
    """Create an output folder.

    Raises:
        OutputError: If that is not possible, or if it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _output_error(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _output_error(folder, PermissionError(errno.EACCES, "Permission denied"))


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Raise what goes wrong while a file is written as an error that names its folder."""
    try:
        yield
    except TerraTorchError:
        raise
    except (OSError, RasterioError, CPLE_BaseError) as error:
        raise _output_error(path.parent, error) from error


def _output_error(folder: Path, error: Exception) -> OutputError:
    return OutputError(
        f"The output folder {folder}",
        f"it cannot be written to ({why_not_written(folder, error)})",
        "Check that there is room on the disk and that you may write there, or choose another with "
        "--predict_output_dir. No unfinished file was left.",
    )
