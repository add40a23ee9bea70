"""Tell our own maps, their mosaics and their pictures from images: they lie in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from terratorch.contracts.map_tags import MOSAIC_TAG, RUN_TAG
from terratorch.errors import DataError
from terratorch.geo.raster import files_behind, open_raster

_MAP = "a map"
_KINDS = {RUN_TAG: _MAP, MOSAIC_TAG: "a mosaic of maps"}  # by the tag that says so
_CURE = "Give the images, and let maps go into a folder of their own."


def refuse_map(path: Path, dataset: Any) -> None:
    """Refuse to predict what `terratorch predict` wrote.

    Args:
        path: The file.
        dataset: The file, open.

    Raises:
        DataError: If it is a map, a mosaic of maps, or the picture of one; or if it joins files of
            which one is.
    """
    wrote = "that terratorch predict wrote"
    suffix, beside = path.suffix.lower(), path.with_suffix(".tif")
    what = _what_it_is(dataset)
    if what is None and suffix == ".png" and _what_is_at(beside) == _MAP:
        what = f"the picture of the map {beside.name}"
    if what is not None:
        raise DataError(str(path), f"it is {what} {wrote}, and no image", _CURE)
    for behind in files_behind(path) if suffix == ".vrt" else ():
        what = _what_is_at(behind)
        if what is not None:
            raise DataError(str(path), f"{behind}, which it joins, is {what} {wrote}", _CURE)


def _what_is_at(path: Path) -> str | None:
    """Return what of ours a file is; None where it is none."""
    if not path.is_file():
        return None
    try:
        with open_raster(path) as dataset:
            return _what_it_is(dataset)
    except DataError:
        return None


def _what_it_is(dataset: Any) -> str | None:
    tags = dataset.tags()
    return next((what for tag, what in _KINDS.items() if tag in tags), None)
