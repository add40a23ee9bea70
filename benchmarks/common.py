"""What the benchmarks share: tiny data, timing of processes, and the table that they print."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin


def write_chips(folder: Path, count: int, size: int, bands: int = 6, classes: int = 3) -> None:
    """Write `count` chips of random int16 bands with label masks into images/ and labels/."""
    rng = np.random.default_rng(0)
    grid = {"crs": "EPSG:32633", "transform": from_origin(330000, 5822040, 10, 10)}
    grid |= {"driver": "GTiff", "height": size, "width": size}
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        name = f"chip_{index:04d}.tif"
        with rasterio.open(
            folder / "images" / name, "w", count=bands, dtype="int16", **grid
        ) as file:
            file.write(rng.integers(0, 10000, (bands, size, size), dtype="int16"))
        with rasterio.open(folder / "labels" / name, "w", count=1, dtype="uint8", **grid) as file:
            file.write(rng.integers(0, classes, (1, size, size), dtype="uint8"))


def wall_seconds(command: Sequence[str], **kwargs: object) -> float:
    """Run a command to its end and return the seconds that it took."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, **kwargs)  # type: ignore[call-overload]
    return time.perf_counter() - start


def median_of_pairs(first: list[float], second: list[float]) -> tuple[float, float, float]:
    """Return the medians of two series measured in turn, and that of their differences."""
    differences = [a - b for a, b in zip(first, second, strict=True)]
    return statistics.median(first), statistics.median(second), statistics.median(differences)


def print_table(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print rows of what, measured, reach."""
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
