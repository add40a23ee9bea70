"""Chips: square windows of the scene and its labels, with a list of names for each split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window, transform

from terratorch.cli.demo.labels import BLOCK, IGNORE, DemoSplit
from terratorch.cli.demo.scene import BANDS, DemoScene, write_geotiff

CHIP = 64
"""Pixels along a side of a chip. Blocks hold whole chips, so that no chip is in two splits."""
assert BLOCK % CHIP == 0
# A chip with very few labelled pixels costs as much to train on as a full one.
LEAST_LABELLED = {DemoSplit.TRAIN: 0.01, DemoSplit.VAL: 0.0, DemoSplit.TEST: 0.0}


def write_chips(
    folder: Path, scene: DemoScene, labels: NDArray[np.uint8], splits: NDArray[np.uint8]
) -> dict[DemoSplit, int]:
    """Write `images/`, `labels/` and the split files, and return the number of chips per split.

    All chips are written; the split files list those with more labels than `LEAST_LABELLED`.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "labels").mkdir(exist_ok=True)
    names: dict[DemoSplit, list[str]] = {split: [] for split in DemoSplit}
    for row, col in np.ndindex(labels.shape[0] // CHIP, labels.shape[1] // CHIP):
        window = Window(col * CHIP, row * CHIP, CHIP, CHIP)
        pixels, name = window.toslices(), f"chip_{row:02d}_{col:02d}"
        place = scene.crs, transform(window, scene.transform)
        image, mask = scene.pixels[:, *pixels], labels[pixels]
        write_geotiff(folder / f"images/{name}.tif", image, *place, tuple(BANDS.values()))
        write_geotiff(folder / f"labels/{name}.tif", mask[None], *place, nodata=IGNORE)
        split = DemoSplit(splits[pixels][0, 0])
        if np.mean(mask != IGNORE) > LEAST_LABELLED[split]:
            names[split].append(name)
    for split, listed in names.items():
        text = "".join(f"{name}\n" for name in listed)
        (folder / f"{split.name.lower()}.txt").write_text(text, encoding="utf-8")
    return {split: len(listed) for split, listed in names.items()}


def statistics(scene: DemoScene, splits: NDArray[np.uint8]) -> tuple[list[float], list[float]]:
    """Return the mean and standard deviation of each band over the training blocks."""
    pixels = scene.pixels[:, splits == DemoSplit.TRAIN].astype(np.float64)
    means, stds = pixels.mean(axis=1), pixels.std(axis=1)
    return [round(float(mean), 1) for mean in means], [round(float(std), 1) for std in stds]
