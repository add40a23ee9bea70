"""Files that are being written: under a name of their own, and locked, until they are complete.

A process that is killed leaves them behind, unlocked. Maps of which rows are finished are gone on
with by the next run of the same command; all others are removed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rasterio.windows import Window

from terratorch.errors import DataError
from terratorch.geo.raster import open_raster
from terratorch.inference.map_tags import LAYERS_TAG, MAP_TAG
from terratorch.inference.prediction import MAIN_LAYER

_SUFFIX = ".partial"


def partial_path(path: Path) -> Path:
    """Return where a file is written until it is complete: in the same folder, out of sight."""
    return path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")


def lock(path: Path) -> IO[bytes] | None:
    """Lock a file as long as the result is open; None if another process has locked it.

    The lock ends with the process, whatever ends it. Where the system has no such locks the file is
    only opened.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where a file that is open cannot be removed anyway
        return path.open("rb")
    file = path.open("rb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _is_abandoned(path: Path) -> bool:
    """Whether the process that wrote a file is gone."""
    pid = _pid_of(path)
    if pid is None:
        return False
    if path.is_dir():
        return pid != os.getpid() and not _is_alive(pid)
    # A number is given to other processes later on; one that writes has its file locked.
    if pid != os.getpid() and _is_alive(pid):
        return False
    with suppress(FileNotFoundError, PermissionError):  # completed meanwhile, or of others
        held = lock(path)
        if held is not None:
            held.close()
            return True
    return False


def _pid_of(path: Path) -> int | None:
    pid = path.name.removesuffix(_SUFFIX).rpartition(".")[2]
    return int(pid) if pid.isdecimal() else None


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # there to ask would be to interrupt it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


def remove_leftovers(folder: Path) -> None:
    """Remove what processes left that ended without a chance to do so.

    Maps of which rows are finished stay, for the run that goes on with them.
    """
    for file in leftovers(folder):
        if _is_abandoned(file) and not (file.is_file() and _is_promising(file)):
            _remove(file)


def _remove(file: Path) -> None:
    with suppress(FileNotFoundError, PermissionError):  # removed by others, or theirs
        shutil.rmtree(file) if file.is_dir() else file.unlink()


@dataclass(frozen=True)
class Unfinished:
    """The maps of a scene that an earlier run did not finish.

    Attributes:
        files: The file of each layer.
        rows: How many rows of pixels are finished in all of them.
    """

    files: Mapping[str, Path]
    rows: int


def leftovers(folder: Path) -> list[Path]:
    """List the temporary files in a folder."""
    return sorted(folder.glob(f".*{_SUFFIX}"))


def find_unfinished(
    files: Iterable[Path],
    path_of: Callable[[str], Path],
    height: int,
    width: int,
    tags: Mapping[str, str],
) -> Unfinished | None:
    """Find maps of a scene that can be gone on with, and remove those that cannot.

    Args:
        files: The temporary files in the folder.
        path_of: Returns the final name of a layer.
        height: Rows of the maps.
        width: Columns of the maps.
        tags: What the files must say of themselves.
    """
    found: Unfinished | None = None
    for group in _groups(files, path_of):
        rows = _rows_of_all(group, height, width, tags) if found is None else 0
        if rows:
            found = Unfinished(group, rows)
        else:
            _remove_all(group)
    return found


def remove_unfinished(files: Iterable[Path], path_of: Callable[[str], Path]) -> None:
    """Remove the maps of a scene that nobody will go on with.

    Args:
        files: The temporary files in the folder.
        path_of: Returns the final name of a layer.
    """
    for group in _groups(files, path_of):
        _remove_all(group)


def _remove_all(group: Mapping[str, Path]) -> None:
    for member in group.values():
        _remove(member)


def _groups(files: Iterable[Path], path_of: Callable[[str], Path]) -> Iterator[dict[str, Path]]:
    """Yield the files of all layers of a scene, for each process that ended before them."""
    main = path_of(MAIN_LAYER)
    for file in files:
        pid = _pid_of(file)
        is_main = pid is not None and file == main.with_name(f".{main.name}.{pid}{_SUFFIX}")
        if is_main and _is_abandoned(file):
            yield _group_of(file, path_of)


def _group_of(file: Path, path_of: Callable[[str], Path]) -> dict[str, Path]:
    """Return the files of all layers that were written with that of the main one."""
    try:
        with open_raster(file) as dataset:
            layers = dataset.tags().get(LAYERS_TAG, MAIN_LAYER).split(",")
    except DataError:  # killed before its header was written
        return {MAIN_LAYER: file}
    pid = _pid_of(file)
    names = {layer: path_of(layer) for layer in layers}
    return {layer: path.with_name(f".{path.name}.{pid}{_SUFFIX}") for layer, path in names.items()}


def _rows_of_all(
    group: Mapping[str, Path], height: int, width: int, tags: Mapping[str, str]
) -> int:
    """Return how many rows of pixels are finished in all files, and can be read."""
    rows = height
    for file in group.values():
        try:
            with open_raster(file) as dataset:
                found = dataset.tags()
                if dataset.shape != (height, width) or any(
                    found.get(tag) != value for tag, value in tags.items()
                ):
                    return 0
                if dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG":
                    return 0  # optimised already, which cannot be written to
                rows = min(rows, _finished_rows(dataset, file.stat().st_size))
                block = dataset.block_shapes[0][0]
                rows = min(rows, (height - 1) // block * block)  # the end is written again
                _read_through(dataset, rows)
        except (DataError, FileNotFoundError):
            return 0
    return rows


def _is_promising(file: Path) -> bool:
    """Whether rows of a map are finished, of its main layer as well."""
    try:
        with open_raster(file) as dataset:
            main = dataset.tags().get(MAP_TAG)
            if not _finished_rows(dataset, file.stat().st_size):
                return False
    except (DataError, FileNotFoundError):  # the latter where another run removes it as well
        return False
    if main is None:
        return False
    beside = file.with_name(f".{main}.{_pid_of(file)}{_SUFFIX}")
    return beside == file or (beside.exists() and _is_promising(beside))


def _finished_rows(dataset: Any, size: int) -> int:
    """Return how many rows of pixels, from the first on, are in blocks that are on the disk."""
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
    """Whether a block of an open GeoTIFF lies within the bytes that the file has.

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
    """Read the first rows, so that damage is found."""
    step = dataset.block_shapes[0][0]
    for top in range(0, rows, step):
        dataset.read(window=Window(0, top, dataset.width, min(step, rows - top)))
