"""Chips: small squares of the scene and its labels, in folders, with a list of names per split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terratorch.cli.demo.labels import BLOCK, IGNORE, Split
from terratorch.cli.demo.scene import BANDS, Scene, write_geotiff

CHIP = 64
"""Pixels along a side of a chip; blocks hold whole chips, so that no chip is in two splits."""
assert BLOCK % CHIP == 0
# A chip with a handful of labelled pixels costs as much to train on as a full one.
LEAST_LABELLED = {Split.TRAIN: 0.01, Split.VAL: 0.0, Split.TEST: 0.0}


@dataclass(frozen=True)
class Chip:
    """A chip by its place in the grid of chips, and the split of its block."""

    row: int
    col: int
    split: Split

    @property
    def name(self) -> str:
        """The name of its files, without the ending."""
        return f"chip_{self.row:02d}_{self.col:02d}"

    @property
    def window(self) -> tuple[slice, slice]:
        """Its rows and columns in the scene."""
        rows = slice(self.row * CHIP, (self.row + 1) * CHIP)
        return rows, slice(self.col * CHIP, (self.col + 1) * CHIP)


def plan_chips(split_of_pixel: NDArray[np.uint8]) -> list[Chip]:
    """Return all whole chips of a scene, row by row."""
    height, width = split_of_pixel.shape
    return [
        Chip(row, col, Split(split_of_pixel[row * CHIP, col * CHIP]))
        for row in range(height // CHIP)
        for col in range(width // CHIP)
    ]


def write_chips(
    folder: Path, scene: Scene, labels: NDArray[np.uint8], chips: list[Chip]
) -> dict[Split, int]:
    """Write `images/`, `labels/` and the split files, and return the number of chips per split.

    Every chip is written; the split files name those with labels, as far as `LEAST_LABELLED` asks.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "labels").mkdir(exist_ok=True)
    names: dict[Split, list[str]] = {split: [] for split in Split}
    for chip in chips:
        grid = scene.grid.window(chip.row * CHIP, chip.col * CHIP, CHIP)
        chip_labels = labels[chip.window]
        image = scene.pixels[:, *chip.window]
        write_geotiff(folder / f"images/{chip.name}.tif", image, grid, tuple(BANDS.values()))
        write_geotiff(folder / f"labels/{chip.name}.tif", chip_labels[None], grid, nodata=IGNORE)
        if np.mean(chip_labels != IGNORE) > LEAST_LABELLED[chip.split]:
            names[chip.split].append(chip.name)
    for split, listed in names.items():
        text = "".join(f"{name}\n" for name in listed)
        (folder / f"{split.name.lower()}.txt").write_text(text, encoding="utf-8")
    return {split: len(listed) for split, listed in names.items()}


def statistics(scene: Scene, split_of_pixel: NDArray[np.uint8]) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each band over the blocks that train."""
    pixels = scene.pixels[:, split_of_pixel == Split.TRAIN].astype(np.float64)
    means, stds = pixels.mean(axis=1), pixels.std(axis=1)
    return [round(float(mean), 1) for mean in means], [round(float(std), 1) for std in stds]
