"""Labels of the sample: polygons become a class raster, split by block and by polygon.

Held-out blocks alone would leak: a field that crosses the border of a block is seen in training,
and a model that remembers the field scores too well. So each polygon belongs to the split in which
most of its pixels are, and its pixels in other splits are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.features import rasterize

from terratorch.optional import import_optional

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

IGNORE = 255
BLOCK = 128
"""Pixels along a side of a block; all pixels of a block are in one split."""


class DemoSplit(IntEnum):
    """The split of a block or a polygon."""

    TRAIN = 0
    VAL = 1
    TEST = 2


# Blocks of six kinds along diagonals: half of the area trains, a sixth validates, a third tests.
SPLIT_OF_KIND = (
    DemoSplit.TEST,
    DemoSplit.VAL,
    DemoSplit.TRAIN,
    DemoSplit.TEST,
    DemoSplit.TRAIN,
    DemoSplit.TRAIN,
)


class LandCover(NamedTuple):
    """A class: its name, its values of `fclass` in OpenStreetMap, and of `cid` in the reference."""

    name: str
    osm: tuple[str, ...]
    reference: int | None = None


# The package does not document `cid`: by spectra and place, 1 is water and 2 is forest.
CLASSES = (
    LandCover("forest", ("forest",), reference=2),
    LandCover("agriculture", ("farm", "meadow", "grass")),
    LandCover("built-up", ("residential",)),
    LandCover("water", ("water",), reference=1),
)
CLASS_NAMES = tuple(cover.name for cover in CLASSES)

LabelledPolygon = tuple["BaseGeometry", int]
"""A geometry in the coordinates of the scene, and the index of its class."""


def read_polygons(osm: Path, reference: Path, crs: CRS) -> list[LabelledPolygon]:
    """Read the polygons of the classes; repeated OpenStreetMap features count once."""
    geopandas = import_optional("geopandas", "vector", "read the polygons of the sample")
    features = geopandas.read_file(osm).drop_duplicates(["osm_id", "fclass"]).to_crs(crs.to_wkt())
    references = geopandas.read_file(reference).to_crs(crs.to_wkt())
    polygons: list[LabelledPolygon] = []
    for label, cover in enumerate(CLASSES):
        of_class = features[features["fclass"].isin(cover.osm)]
        also = references[references["cid"] == cover.reference]  # empty for None
        polygons += [(geometry, label) for geometry in (*of_class.geometry, *also.geometry)]
    return polygons


def split_blocks(shape: tuple[int, int], fold: int) -> NDArray[np.uint8]:
    """Return the split of each pixel of a raster by the block it is in, `(rows, cols)`."""
    rows, cols = np.indices(shape) // BLOCK
    kind = (cols + 2 * rows + 2 * fold) % len(SPLIT_OF_KIND)
    return np.array(SPLIT_OF_KIND, dtype=np.uint8)[kind]


def rasterize_labels(
    polygons: Iterable[LabelledPolygon], transform: Affine, splits: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return the class of each pixel; `IGNORE` for no class, two, or a polygon of another split.

    A pixel belongs to a polygon if its centre does.

    Args:
        polygons: All polygons.
        transform: From pixel to map coordinates.
        splits: The split of each pixel, `(rows, cols)`.
    """
    labels = np.full(splits.shape, IGNORE, dtype=np.uint8)
    dropped = np.zeros(splits.shape, dtype=bool)
    for geometry, label in polygons:
        burnt = rasterize([geometry], out_shape=splits.shape, transform=transform, dtype="uint8")
        inside = burnt.astype(bool)
        if not inside.any():  # smaller than a pixel, or outside the scene
            continue
        split = np.bincount(splits[inside], minlength=len(DemoSplit)).argmax()
        other_class = (labels != IGNORE) & (labels != label)
        dropped |= inside & ((splits != split) | other_class)
        labels[inside] = label
    labels[dropped] = IGNORE
    return labels


def class_weights(labels: NDArray[np.uint8], splits: NDArray[np.uint8]) -> list[float]:
    """Return the weight of each class: the root of its inverse frequency in training, mean 1.

    The full inverse would overweight built-up and water, which cover a sixth of the pixels.
    """
    training = labels[(splits == DemoSplit.TRAIN) & (labels != IGNORE)]
    weights = 1 / np.sqrt(np.maximum(np.bincount(training, minlength=len(CLASSES)), 1))
    return [round(float(weight), 2) for weight in weights / weights.mean()]
