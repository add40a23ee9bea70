"""Polygons of a speckled map: time of each step, against GDAL that traces and GEOS that simplifies.

Each pixel of the map has a random class, smoothed a little: that gives a polygon for every seven
pixels. GEOS simplifies what has a corner wherever one of a neighbour lies, as it needs.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.features
import shapely
from common import print_table
from rasterio.transform import from_origin

from terratorch.inference.prediction import MAIN_LAYER
from terratorch.inference.products.polygons import Polygons
from terratorch.inference.products.products import FinishedMap
from terratorch.inference.products.tracing import trace
from terratorch.inference.products.vectorize import CLASS_BAND, Grid, Vectors

CLASSES, SMOOTH, PIXEL = 4, 3, 10.0
TOLERANCE = 1.5  # pixels


def write_map(path: Path, size: int) -> None:
    """Write a map of smoothed noise."""
    random = np.random.default_rng(0)
    scores = random.random((CLASSES, size + SMOOTH - 1, size + SMOOTH - 1), np.float32)
    smooth = sum(
        scores[:, top : top + size, left : left + size]
        for top in range(SMOOTH)
        for left in range(SMOOTH)
    )
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=size,
        width=size,
        count=1,
        dtype="uint8",
        nodata=255,
        crs="EPSG:32633",
        transform=from_origin(330000, 5822040, PIXEL, PIXEL),
        compress="deflate",
    ) as dataset:
        dataset.write(np.argmax(smooth, axis=0).astype(np.uint8), 1)
        dataset.set_band_description(1, CLASS_BAND)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of a processor that a call takes, and what it gives."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def traced(path: Path) -> Polygons:
    """Return the polygons of a map, in pixels."""
    with rasterio.open(path) as dataset:
        grid = Grid(dataset.crs, dataset.transform, dataset.height, dataset.width)
        return trace(dataset, grid.areas).polygons


def traced_by_gdal(path: Path) -> int:
    """Return how many polygons GDAL finds."""
    with rasterio.open(path) as dataset:
        return sum(1 for _ in rasterio.features.shapes(rasterio.band(dataset, 1)))


def shapes(polygons: Polygons) -> Any:
    """Return the polygons of shapely."""
    return polygons.shapes(polygons.corners.astype(float))


def peak() -> float:
    """Return the most memory that this process has held, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=1000, help="pixels a side of the map")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "scene_pred.tif"
        write_map(path, options.size)
        finished = FinishedMap(str(path), {MAIN_LAYER: path})
        before = peak()
        vectors = Vectors("gpkg", tolerance=TOLERANCE * PIXEL)
        whole, _ = timed(lambda: vectors.make(finished, Path(name) / "scene_pred.gpkg"))
        held = peak() - before
        tracing, polygons = timed(lambda: traced(path))
        gdal, _ = timed(lambda: traced_by_gdal(path))
    simplifying, simple = timed(lambda: polygons.simplified(TOLERANCE))
    noded = shapes(polygons.simplified(0.0))
    geos, expected = timed(lambda: shapely.coverage_simplify(noded, TOLERANCE))
    share = len(simple.corners) / shapely.get_num_coordinates(expected).sum()
    print_table(
        [
            (f"{len(polygons):,} polygons, simplified, as a file", f"{whole:.1f} s", ""),
            ("memory beyond imports and the map", f"{held:.2f} GB", ""),
            ("of it tracing", f"{tracing:.1f} s", ""),
            ("of it simplifying", f"{simplifying:.1f} s", ""),
            ("tracing by GDAL (rasterio.features.shapes)", f"{gdal:.1f} s", ""),
            ("coverage_simplify of GEOS", f"{geos:.1f} s", ""),
            ("tracing / that of GDAL", f"{tracing / gdal:.2f}", "<= 0.75"),
            ("simplifying / that of GEOS", f"{simplifying / geos:.2f}", "<= 0.25"),
            ("corners that are left / those of GEOS", f"{share:.3f}", "0.97 to 1.03"),
        ]
    )


if __name__ == "__main__":
    main()
