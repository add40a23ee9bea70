"""Labels of the sample: polygons to a class raster, split by block and by polygon.

A held-out block alone would leak: a field that crosses its border is seen in training, and a model
that remembers the field scores too well. So a polygon belongs to one split, that of the blocks in
which most of its pixels lie, and its pixels in other blocks carry no label.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize

from terratorch.cli.demo.scene import Grid
from terratorch.errors import DataError
from terratorch.optional import import_optional

IGNORE = 255
BLOCK = 128
"""Pixels along a side of a block, which is in one split as a whole."""


class Split(IntEnum):
    """The split of a block, and of a polygon."""

    TRAIN = 0
    VAL = 1
    TEST = 2


# Six kinds of block, on diagonals: half of the area trains, a sixth validates, a third tests.
SPLIT_OF_KIND = (Split.TEST, Split.VAL, Split.TRAIN, Split.TEST, Split.TRAIN, Split.TRAIN)


@dataclass(frozen=True)
class LandCover:
    """A class of the map.

    Attributes:
        name: As it stands in the configuration and in the legend.
        osm: Values of `fclass` in the OpenStreetMap polygons.
        reference: Value of `cid` in the reference polygons, None where there is none.
    """

    name: str
    osm: tuple[str, ...]
    reference: int | None = None


# The meaning of `cid` is not told in the package: by spectra and place, 1 is water and 2 forest.
CLASSES = (
    LandCover("forest", ("forest",), reference=2),
    LandCover("agriculture", ("farm", "meadow", "grass")),
    LandCover("built-up", ("residential",)),
    LandCover("water", ("water",), reference=1),
)
CLASS_NAMES = tuple(cover.name for cover in CLASSES)


@dataclass(frozen=True)
class Polygon:
    """A geometry in the coordinates of the scene, and the index of its class."""

    geometry: Any
    label: int


def read_polygons(osm: Path, reference: Path, grid: Grid) -> list[Polygon]:
    """Read the polygons of the classes; OpenStreetMap features that are there twice count once."""
    polygons = []
    osm_frame = _read_vector(osm, grid, ("osm_id", "fclass")).drop_duplicates(["osm_id", "fclass"])
    reference_frame = _read_vector(reference, grid, ("cid",))
    for label, cover in enumerate(CLASSES):
        chosen = osm_frame[osm_frame["fclass"].isin(cover.osm)]
        polygons += [Polygon(geometry, label) for geometry in chosen.geometry]
        if cover.reference is not None:
            chosen = reference_frame[reference_frame["cid"] == cover.reference]
            polygons += [Polygon(geometry, label) for geometry in chosen.geometry]
    return polygons


def split_blocks(shape: tuple[int, int], fold: int) -> NDArray[np.uint8]:
    """Return the split of every pixel of a raster by the block it lies in, `(rows, cols)`."""
    rows, cols = np.indices(shape) // BLOCK
    kind = (cols + 2 * rows + 2 * fold) % len(SPLIT_OF_KIND)
    return np.array(SPLIT_OF_KIND, dtype=np.uint8)[kind]


def rasterize_labels(
    polygons: list[Polygon], grid: Grid, split_of_pixel: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return the class of every pixel, `IGNORE` where there is none, two, or one of another split.

    A pixel belongs to a polygon if its centre does.

    Args:
        polygons: All polygons.
        grid: Where the raster lies.
        split_of_pixel: The split of each pixel, `(rows, cols)`.
    """
    labels = np.full(grid.shape, IGNORE, dtype=np.uint8)
    dropped = np.zeros(grid.shape, dtype=bool)
    for polygon in polygons:
        inside = _pixels_inside(polygon, grid)
        owner = _owner(split_of_pixel[inside])
        if owner is None:
            continue
        other_class = (labels != IGNORE) & (labels != polygon.label)
        dropped |= inside & ((split_of_pixel != owner) | other_class)
        labels[inside] = polygon.label
    labels[dropped] = IGNORE
    return labels


def class_weights(labels: NDArray[np.uint8], split_of_pixel: NDArray[np.uint8]) -> list[float]:
    """Return a weight for each class: the root of its inverse frequency in training, mean 1.

    The full inverse would let built-up and water, with a sixth of the pixels, rule the map.
    """
    chosen = labels[(split_of_pixel == Split.TRAIN) & (labels != IGNORE)]
    counts = np.bincount(chosen, minlength=len(CLASSES))
    weights = 1 / np.sqrt(np.maximum(counts, 1))
    return [round(float(weight), 2) for weight in weights / weights.mean()]


def _owner(splits: NDArray[np.uint8]) -> Split | None:
    if splits.size == 0:
        return None  # smaller than a pixel, or outside the scene
    return Split(int(np.bincount(splits, minlength=len(Split)).argmax()))


def _pixels_inside(polygon: Polygon, grid: Grid) -> NDArray[np.bool_]:
    burnt = rasterize(
        [(polygon.geometry, 1)], out_shape=grid.shape, transform=grid.transform, dtype="uint8"
    )
    return burnt.astype(bool)


def _read_vector(path: Path, grid: Grid, columns: tuple[str, ...]) -> Any:
    geopandas = import_optional("geopandas", "vector", "read the polygons of the sample")
    frame = geopandas.read_file(path)
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise DataError(
            f"{path.name}", f"no column {', '.join(missing)} among {', '.join(frame.columns)}"
        )
    return frame.to_crs(grid.crs.to_wkt())
