"""Unfinished maps of earlier runs: which are resumed, and which are removed.

The temporary files of a killed process stay, unlocked. The next run of the same command resumes
maps with finished rows, and removes all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasterio.windows import Window

from terratorch.contracts.map_tags import LAYERS_TAG, MAP_TAG
from terratorch.contracts.prediction import MAIN_LAYER
from terratorch.errors import DataError
from terratorch.geo.partial_file import PartialFile, claim, leftovers, name_with, number_of
from terratorch.geo.raster import open_raster


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes that were killed.

    Maps with finished rows stay, for the run that resumes them.
    """
    for file in leftovers(folder):
        if _is_promising(file):
            continue  # without a lock, because another run may be about to resume it
        held = claim(file)
        if held is None:
            continue
        if _is_promising(held.path):  # its run was still writing
            held.release()
        else:
            held.remove()


@dataclass(frozen=True)
class Unfinished:
    """The unfinished maps of a scene.

    Attributes:
        files: The file of each layer, locked by this run; empty in processes that do not write.
        rows: Rows of pixels that are finished in all of them.
    """

    files: Mapping[str, PartialFile]
    rows: int

    def release(self) -> None:
        """Unlock the files."""
        for file in self.files.values():
            file.release()

    def remove(self) -> None:
        """Remove the files."""
        for file in self.files.values():
            file.remove()

    def without_files(self) -> Unfinished:
        """Return the number of rows only, for processes that do not write."""
        return Unfinished({}, self.rows)


def find_unfinished(
    files: Iterable[Path],
    path_of: Callable[[str], Path],
    height: int,
    width: int,
    tags: Mapping[str, str],
) -> Unfinished | None:
    """Find maps of a scene that can be resumed, and remove those that cannot.

    Args:
        files: The temporary files in the folder.
        path_of: Returns the final name of a layer.
        height: Rows of the maps.
        width: Columns of the maps.
        tags: The tags that the files must have.

    Returns:
        The maps, locked so that no other run resumes them as well.
    """
    found: Unfinished | None = None
    for group, is_whole in _groups(files, path_of):
        wanted = is_whole and found is None
        rows = _rows_of_all(group, height, width, tags) if wanted else 0
        if rows:
            found = Unfinished(group, rows)
        else:
            Unfinished(group, 0).remove()
    return found


def remove_unfinished(files: Iterable[Path], path_of: Callable[[str], Path]) -> None:
    """Remove the unfinished maps of a scene.

    Args:
        files: The temporary files in the folder.
        path_of: Returns the final name of a layer.
    """
    for group, _ in _groups(files, path_of):
        Unfinished(group, 0).remove()


def _groups(
    files: Iterable[Path], path_of: Callable[[str], Path]
) -> Iterator[tuple[dict[str, PartialFile], bool]]:
    """Lock the files of each unfinished run of a scene, and yield them, and whether all exist.

    The lock of the main layer's file covers the others.
    """
    main = path_of(MAIN_LAYER)
    for file in files:
        number = number_of(file)
        if number is None or file != name_with(number, main):
            continue
        held = claim(file)
        if held is None:
            continue
        names = {layer: path_of(layer) for layer in _layers_of(held.path) if layer != MAIN_LAYER}
        claimed = {layer: claim(name_with(number, path)) for layer, path in names.items()}
        others = {layer: other for layer, other in claimed.items() if other is not None}
        yield {MAIN_LAYER: held, **others}, len(others) == len(names)


def _layers_of(file: Path) -> list[str]:
    """Return the layers that were written with the main one."""
    try:
        with open_raster(file) as dataset:
            layers: list[str] = dataset.tags().get(LAYERS_TAG, MAIN_LAYER).split(",")
    except DataError:  # killed before its header was written
        return [MAIN_LAYER]
    return layers


def _rows_of_all(
    group: Mapping[str, PartialFile], height: int, width: int, tags: Mapping[str, str]
) -> int:
    """Return how many rows of pixels are finished and readable in all files."""
    rows = height
    for file in (held.path for held in group.values()):
        try:
            with open_raster(file) as dataset:
                found = dataset.tags()
                if dataset.shape != (height, width) or any(
                    found.get(tag) != value for tag, value in tags.items()
                ):
                    return 0
                if dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG":
                    return 0  # an optimised file cannot be appended to
                rows = min(rows, _finished_rows(dataset, file.stat().st_size))
                block = dataset.block_shapes[0][0]
                rows = min(rows, (height - 1) // block * block)  # the end is written again
                _read_through(dataset, rows)
        except (DataError, FileNotFoundError):
            return 0
    return rows


def _is_promising(file: Path) -> bool:
    """Return whether rows of a map and of its main layer are finished."""
    if file.is_dir():
        return False
    try:
        with open_raster(file) as dataset:
            main = dataset.tags().get(MAP_TAG)
            if not _finished_rows(dataset, file.stat().st_size):
                return False
    except (DataError, FileNotFoundError):  # another run may remove it
        return False
    if main is None:
        return False
    number = number_of(file)
    beside = file if number is None else name_with(number, file.with_name(main))
    return beside == file or (beside.exists() and _is_promising(beside))


def _finished_rows(dataset: Any, size: int) -> int:
    """Return how many rows of pixels, from the first, are in complete blocks."""
    block_height, block_width = dataset.block_shapes[0]
    columns = range(-(-dataset.width // block_width))
    for row in range(-(-dataset.height // block_height)):
        if not all(
            is_on_disk(dataset, band, row, column, size)
            for band in dataset.indexes
            for column in columns
        ):
            return int(row * block_height)
    return int(dataset.height)


def is_on_disk(dataset: Any, band: int, row: int, column: int, size: int) -> bool:
    """Return whether a block of an open GeoTIFF is within the bytes of the file.

    Args:
        dataset: The file.
        band: Which band, counted from 1.
        row: Row of blocks.
        column: Column of blocks.
        size: Bytes of the file.
    """
    offset = dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band)
    length = dataset.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=band)
    return offset is not None and int(offset) + int(length) <= size


def _read_through(dataset: Any, rows: int) -> None:
    """Read the first rows to find damage."""
    step = dataset.block_shapes[0][0]
    for top in range(0, rows, step):
        dataset.read(window=Window(0, top, dataset.width, min(step, rows - top)))
