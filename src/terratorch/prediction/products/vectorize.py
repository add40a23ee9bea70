"""Polygons of class maps, as files of a geographic information system."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from terratorch.contracts.map_tags import CLASS_NAMES_TAG
from terratorch.contracts.outputs import Content
from terratorch.errors import DataError
from terratorch.geo.grid import PixelGrid
from terratorch.geo.ground_area import GroundArea
from terratorch.geo.raster import open_raster
from terratorch.geo.types import Array, DatasetReader
from terratorch.geo.vector_files import VECTOR_FORMATS
from terratorch.optional import import_optional
from terratorch.prediction.products.products import FinishedMap, MapProduct
from terratorch.prediction.products.tracing import (
    TRACEABLE,
    Traced,
    means_within,
    simplified,
    trace,
)

# The description of the band of a map of classes.
CLASS_BAND = "class"

_PURPOSE = "write polygons (--vectorize)"


class PolygonFile(MapProduct):
    """The polygons of a class map.

    Args:
        file_format: A key of `VECTOR_FORMATS`.
        min_area: Smaller polygons are dropped: in m2, or in square units of a map
            without a CRS.
        tolerance: In metres, or in units of a map without a CRS; see `tracing.simplified`. None
            keeps the corners of the pixels.
    """

    name = "polygons"

    def __init__(
        self, file_format: str, min_area: float | None = None, tolerance: float | None = None
    ) -> None:
        self.format = VECTOR_FORMATS[file_format]
        self.suffix = self.format.suffix
        self.min_area, self.tolerance = min_area or 0.0, tolerance or 0.0

    @property
    def description(self) -> str:
        """The settings, as the file records them; files of other settings are made again."""
        return f"minimum area {self.min_area:g}, simplified by {self.tolerance:g}"

    def is_current(self, finished: FinishedMap) -> bool:
        """Return whether the file exists, is not older than the map, and has these settings."""
        if not super().is_current(finished):
            return False
        return self.format.described(self.path_of(finished)) == self.description

    def make(self, finished: FinishedMap, path: Path) -> None:
        """Write the polygons.

        Raises:
            DataError: If the map does not hold classes, or has no CRS and the format is GeoJSON.
        """
        with open_raster(finished.path) as dataset:
            _check(dataset, finished.path, self.suffix == ".geojson")
            grid = PixelGrid.of(dataset)
            ground = GroundArea(grid)
            traced = trace(dataset, ground.of, self.min_area)
            columns = _columns(traced, dataset)
            layer = finished.layers.get(Content.PROBABILITIES)
            if layer is not None and len(traced.polygons):
                columns["probability"] = _mean_probabilities(traced, dataset, layer)
        polygons = traced.polygons
        if self.tolerance and len(polygons):
            polygons = simplified(polygons, self.tolerance / ground.pixel_side)
        frame = import_optional("geopandas", "vector", _PURPOSE).GeoDataFrame(
            columns,
            geometry=grid.placed(polygons),
            crs=None if grid.crs is None else grid.crs.to_wkt(),
        )
        frame.attrs["description"] = self.description
        try:
            self.format.write(frame, path)
        except RuntimeError as error:  # from pyogrio, whose errors have no common class
            raise OSError(str(error)) from error


def _check(dataset: DatasetReader, path: Path, is_geojson: bool) -> None:
    """Refuse a map that polygons cannot be made of."""
    if dataset.descriptions[0] != CLASS_BAND:
        raise DataError(str(path), "it is not a map of classes", "Polygons are made of classes.")
    if dataset.dtypes[0] not in TRACEABLE:
        raise DataError(
            str(path),
            f"polygons cannot be made of {dataset.dtypes[0]}",
            f"Give an --out_dtype of {', '.join(TRACEABLE)}.",
        )
    if is_geojson and dataset.crs is None:
        raise DataError(
            str(path),
            "its image has no CRS; GeoJSON holds longitude and latitude only",
            "Use --vectorize gpkg or parquet, which hold pixel coordinates as well.",
        )


def _columns(traced: Traced, dataset: DatasetReader) -> dict[str, Array]:
    columns: dict[str, Array] = {"class_id": traced.classes}
    listed = dataset.tags().get(CLASS_NAMES_TAG)
    if listed:
        columns["class_name"] = np.array(json.loads(listed), object)[traced.classes]
    columns["area" if dataset.crs is None else "area_m2"] = traced.areas
    return columns


def _mean_probabilities(traced: Traced, dataset: DatasetReader, layer: Path) -> Array:
    """Return the mean probability of its class within each polygon."""
    with open_raster(layer) as probabilities:
        scale, offset = probabilities.scales[0], probabilities.offsets[0]

        def read(top: int, bottom: int) -> Array:
            window = Window(0, top, dataset.width, bottom - top)
            stack = probabilities.read(window=window)
            # Nodata is outside all polygons: its class does not matter.
            classes = np.clip(dataset.read([1], window=window).astype(np.intp), 0, len(stack) - 1)
            of_class = np.take_along_axis(stack, classes, 0)[0] * scale + offset
            return np.nan_to_num(of_class.astype(np.float64))

        return means_within(traced.polygons, read, dataset.shape, probabilities.count + 1)
