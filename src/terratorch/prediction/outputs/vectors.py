"""Embeddings: per patch of a scene as raster and GeoParquet, per image as Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from rasterio.windows import Window
from torch import Tensor

from terratorch.contracts.map_tags import CONTENT_TAG, PATCH_TAG
from terratorch.contracts.outputs import Content, OutputValue, PatchVectors, Raster, Vectors
from terratorch.contracts.prediction import MAIN_LAYER, Prediction
from terratorch.errors import DataError
from terratorch.geo.partial_file import PartialFile, create, replacing
from terratorch.geo.raster import open_raster
from terratorch.geo.types import DatasetReader
from terratorch.optional import import_optional
from terratorch.prediction.maps.writer import Georeference, output_errors
from terratorch.prediction.outputs.base import FinishImage, OutputFolder
from terratorch.prediction.outputs.raster import RasterFiles, RasterImages
from terratorch.prediction.partial import Unfinished
from terratorch.prediction.products.products import is_newer

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped] # has no types

VECTORS_FILE = "vectors.parquet"
_PURPOSE = "write tables of vectors"
_SAMPLED = 20_000  # vectors that principal components are fitted to


def as_vectors(output: OutputValue) -> Vectors | PatchVectors:
    """Return an output that is vectors."""
    assert isinstance(output, Vectors | PatchVectors), f"a {type(output).__name__} among vectors"
    return output


# Per patch


def patch_raster(output: OutputValue) -> Raster:
    """Return vectors per patch as a raster with a band for each component."""
    assert isinstance(output, PatchVectors), f"a {type(output).__name__} among patches"
    names = tuple(f"vector_{index}" for index in range(output.values.shape[1]))
    return Raster(output.values, Content.VECTORS, names)


def patch_files(
    reference: Georeference,
    folder: OutputFolder,
    finish: FinishImage,
    tags: Mapping[str, str],
    unfinished: Unfinished | None,
) -> RasterFiles:
    """Return the raster of a scene's patches; `reference` is the grid of the patches."""
    return RasterFiles(reference, folder, finish, tags, unfinished, patch_raster)


class PatchImages(RasterImages):
    """The vectors per patch of images that are predicted whole.

    Args:
        folder: Names the files.
        finish: Called once the raster of an image is complete.
    """

    def __init__(self, folder: OutputFolder, finish: FinishImage) -> None:
        super().__init__(folder, finish, patch_raster)

    def _reference(self, filename: str, output: OutputValue) -> Georeference:
        assert isinstance(output, PatchVectors), "patches have a size"
        return Georeference.of(filename).coarsened(output.patch_size)


def write_patch_table(folder: OutputFolder, layers: Mapping[str, Path]) -> list[Path]:
    """Write the raster of patches as GeoParquet if that is asked for and not done yet.

    The table has a row for each patch that is not nodata: row and column in the grid, the vector,
    and the patch as a polygon in the CRS of the scene. Memory depends on a row of blocks.
    """
    if folder.options.format != "parquet":
        return []
    written = []
    for raster in layers.values():
        table = raster.with_suffix(".parquet")
        if is_newer(table, raster):
            continue
        with output_errors(table), replacing(table) as partial, open_raster(raster) as dataset:
            _write_rows(dataset, partial)
        written.append(table)
    return written


def _write_rows(dataset: DatasetReader, path: Path) -> None:
    pyarrow = import_optional("pyarrow", "vector", _PURPOSE)
    parquet = import_optional("pyarrow.parquet", "vector", _PURPOSE)
    schema = pyarrow.schema(
        {
            "row": pyarrow.int32(),
            "column": pyarrow.int32(),
            "vector": pyarrow.list_(pyarrow.float32(), dataset.count),
            "geometry": pyarrow.binary(),
        },
        metadata={"geo": json.dumps(_geo_metadata(dataset))},
    )
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for top, values in _block_rows(dataset):
            rows, columns = np.nonzero(np.isfinite(values).all(0))
            vectors = values[:, rows, columns].T.astype(np.float32)
            arrays = [
                pyarrow.array(rows + top, pyarrow.int32()),
                pyarrow.array(columns, pyarrow.int32()),
                pyarrow.FixedSizeListArray.from_arrays(vectors.ravel(), dataset.count),
                pyarrow.array(_cells(dataset, rows + top, columns), pyarrow.binary()),
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _block_rows(dataset: DatasetReader) -> Iterator[tuple[int, NDArray[np.float32]]]:
    height = dataset.block_shapes[0][0]
    for top in range(0, dataset.height, height):
        rows = min(height, dataset.height - top)
        yield top, dataset.read(window=Window(0, top, dataset.width, rows))


def _cells(
    dataset: DatasetReader, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> list[bytes]:
    """Return each patch as a polygon in WKB."""
    transform = dataset.transform
    corners = [
        np.stack(transform @ (columns + right, rows + lower), axis=1)
        for right, lower in ((0, 0), (1, 0), (1, 1), (0, 1))
    ]
    polygons = shapely.polygons(np.stack(corners, axis=1))
    return list(shapely.to_wkb(polygons))


def _geo_metadata(dataset: DatasetReader) -> dict[str, Any]:
    """Return the metadata of GeoParquet 1.0 (https://geoparquet.org)."""
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": None}
    if dataset.crs is not None:
        pyproj = import_optional("pyproj", "vector", _PURPOSE)
        column["crs"] = pyproj.CRS.from_wkt(dataset.crs.to_wkt()).to_json_dict()
    return {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": column}}


def read_patches(path: Path) -> PatchVectors:
    """Read vectors per patch from the raster that `terratorch predict` wrote; nodata is NaN.

    Raises:
        DataError: If the file does not hold vectors.
    """
    with open_raster(path) as dataset:
        tags = dataset.tags()
        if tags.get(CONTENT_TAG) != Content.VECTORS:
            raise DataError(str(path), "it does not hold vectors that terratorch predict wrote")
        values = torch.from_numpy(dataset.read())
    return PatchVectors(values.unsqueeze(0), int(tags[PATCH_TAG]))


# Per image


class VectorFile:
    """The vectors of images as rows of a Parquet file that appears when it is complete.

    Args:
        folder: Names the file.
        finish: Called once the file is complete.
    """

    def __init__(self, folder: OutputFolder, finish: FinishImage) -> None:
        self.path, self.finish = folder.directory / f"{folder.prefix}{VECTORS_FILE}", finish
        self._pyarrow = import_optional("pyarrow", "vector", _PURPOSE)
        self._parquet = import_optional("pyarrow.parquet", "vector", _PURPOSE)
        self._open: tuple[PartialFile, ParquetWriter] | None = None

    def add(self, prediction: Prediction) -> list[Path]:
        """Add a row for each image: file name and vector."""
        values = as_vectors(prediction.main).values.float().numpy()
        pyarrow, size = self._pyarrow, values.shape[1]
        vectors = pyarrow.FixedSizeListArray.from_arrays(values.ravel(), size)
        table = pyarrow.table({"filename": prediction.filenames, "vector": vectors})
        with output_errors(self.path):
            if self._open is None:
                partial = create(self.path)
                self._open = partial, self._parquet.ParquetWriter(partial.path, table.schema)
            self._open[1].write_table(table)
        return [self.path]

    def close(self, complete: bool) -> None:
        """Give the file its final name, or remove it."""
        if self._open is None:
            return
        partial, writer = self._open
        self._open = None
        try:
            with output_errors(self.path):
                writer.close()
                if complete:
                    partial.publish(self.path)
        finally:
            partial.remove()
        if complete:
            self.finish(str(self.path), {MAIN_LAYER: self.path})


def read_vectors(path: Path) -> Vectors:
    """Read the vectors per image that `terratorch predict` wrote."""
    parquet = import_optional("pyarrow.parquet", "vector", _PURPOSE)
    column = parquet.read_table(path, columns=["vector"])["vector"].combine_chunks()
    size = column.type.list_size
    values = column.flatten().to_numpy().reshape(-1, size)
    return Vectors(torch.from_numpy(values.copy()))


# Both


def principal_components(vectors: Tensor, count: int = 3) -> tuple[Tensor, Tensor]:
    """Project vectors on their first principal components.

    Args:
        vectors: `(N, D)`; rows with NaN get NaN.
        count: Number of components; those beyond D are 0.

    Returns:
        `(N, count)`, and the share of the variance that each component explains, `(count,)`.
    """
    valid = vectors.isfinite().all(1)
    rows = vectors[valid].double()
    projected = vectors.new_full((len(vectors), count), torch.nan)
    if not len(rows):
        return projected, torch.zeros(count)
    step = max(len(rows) // _SAMPLED, 1)
    mean = rows.mean(0)
    sample = rows[::step] - mean
    _, singular, axes = torch.linalg.svd(sample, full_matrices=False)
    # The sign of an axis is arbitrary: its largest entry is made positive.
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    axes = (axes * largest.sign())[:count]
    shares = singular.square() / singular.square().sum().clamp(min=1e-12)
    projected[valid] = 0
    projected[valid, : len(axes)] = ((rows - mean) @ axes.T).to(projected.dtype)
    padded = torch.zeros(count)
    padded[: len(axes)] = shares[:count].float()
    return projected, padded


def masked_vectors(image: Prediction) -> Tensor:
    """Return the vectors of a batch of one, NaN if the image is nodata: `(D,)` or `(D, h, w)`."""
    values = as_vectors(image.main).values[0]
    return values if image.valid is None else values.masked_fill(~image.valid[0], torch.nan)


def vector_rows(output: OutputValue) -> Tensor:
    """Return vectors as rows `(N, D)`, patches row by row."""
    values = as_vectors(output).values
    return values if values.ndim == 2 else values.movedim(1, -1).flatten(0, 2)


def summarise_vectors(
    outputs: Sequence[OutputValue], class_names: list[str] | None
) -> dict[str, str]:
    """Return the number of vectors, their size, length and main directions."""
    rows = torch.cat(list(map(vector_rows, outputs)))
    _, shares = principal_components(rows)
    rows = rows[rows.isfinite().all(1)]
    lengths = rows.norm(dim=1)
    return {
        "vectors": str(len(rows)),
        "dimensions": str(rows.shape[1]),
        "mean length": f"{float(lengths.mean()):.4g}" if len(rows) else "none",
        "variance in 3 components": f"{float(shares.sum()):.0%}",
    }
