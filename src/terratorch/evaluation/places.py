"""Where chips lie: the bounds of their files in longitude and latitude."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from terratorch.errors import DataError
from terratorch.geo.extent import Bounds, lon_lat_bounds
from terratorch.geo.raster import georeferenced_or_not, open_raster

# Opening a file is waiting, above all for one that is far away.
_THREADS = 8


def bounds_of_files(paths: Iterable[str]) -> list[Bounds | None]:
    """Return the bounds of each file; None where it has no place on the globe."""
    with georeferenced_or_not(), ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(bounds_of_file, paths))


def bounds_of_file(path: str) -> Bounds | None:
    """Return the bounds of a file; None where it is no raster, or has no place on the globe."""
    try:
        with open_raster(path) as dataset:
            return lon_lat_bounds(dataset)
    except DataError:  # a name that is not that of a file, as data sets of the user's own give
        return None
