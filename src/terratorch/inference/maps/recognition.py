"""Tell our own maps, their mosaics and their pictures from images: they lie in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from terratorch.errors import DataError
from terratorch.geo.raster import open_raster
from terratorch.inference.map_tags import RUN_TAG


def refuse_map(path: Path, dataset: Any) -> None:
    """Refuse to predict what `terratorch predict` wrote.

    Args:
        path: The file.
        dataset: The file, open.

    Raises:
        DataError: If it is a map, a mosaic of maps, or the picture of one.
    """
    suffix = path.suffix.lower()
    beside = path.with_suffix(".tif")
    behind = [Path(name) for name in dataset.files if suffix == ".vrt" and Path(name) != path]
    if RUN_TAG in dataset.tags():
        what = "a map"
    elif suffix == ".png" and _is_map(beside):
        what = f"the picture of the map {beside.name}"
    elif behind and _is_map(behind[0]):
        what = "a mosaic of maps"
    else:
        return
    raise DataError(
        str(path),
        f"it is {what} that terratorch predict wrote, and no image",
        "Give the images, and let maps go into a folder of their own.",
    )


def _is_map(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with open_raster(path) as dataset:
            return RUN_TAG in dataset.tags()
    except DataError:
        return False
