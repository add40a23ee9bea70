"""Where chips lie: the bounds of their files in longitude and latitude."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from rasterio._err import CPLE_BaseError  # has no public name, but it is what transforms raise
from rasterio.warp import transform_bounds

from terratorch.errors import DataError
from terratorch.geo.raster import open_raster
from terratorch.pages.evaluation import Bounds

# Opening a file is waiting, above all for one that is far away.
_THREADS = 8
_DEGREES = "EPSG:4326"


def bounds_of_files(paths: Iterable[str]) -> list[Bounds | None]:
    """Return the bounds of each file; None where it has no place on the globe."""
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(bounds_of_file, paths))


def bounds_of_file(path: str) -> Bounds | None:
    """Return the bounds of a file; None where it is no raster, or has no place on the globe."""
    try:
        with open_raster(path) as dataset:
            if dataset.crs is None or dataset.transform.is_identity:
                return None
            west, south, east, north = transform_bounds(dataset.crs, _DEGREES, *dataset.bounds)
    except DataError:  # a name that is not that of a file, as data sets of the user's own give
        return None
    except CPLE_BaseError:  # coordinates of a drone or a building, which no rule leads to degrees
        return None
    bounds = (west, south, east, north)
    on_the_globe = all(value - value == 0 for value in bounds) and abs(south) <= 90 >= abs(north)
    return bounds if on_the_globe else None
