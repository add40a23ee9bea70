"""Reading chips through the segmentation data set, against bare reads of the same files.

The two run in turn in one process, over the same chips, so that both find them in the page cache;
the figures are the medians of the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import rasterio
import torch
from common import print_table, write_chips
from torch.utils.data import DataLoader, Dataset

from terratorch.datamodules import GenericNonGeoSegmentationDataModule
from terratorch.datasets import GenericNonGeoSegmentationDataset

CLASSES = 3


def seconds(action: Callable[[], object]) -> float:
    """Run once and return the seconds that it took."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def drain(samples: Iterable[object]) -> None:
    """Go through samples without keeping any."""
    deque(samples, maxlen=0)


def bare_reads(folder: Path) -> None:
    """Read each image and its mask with rasterio, and nothing else."""
    for image in sorted((folder / "images").iterdir()):
        with rasterio.open(image) as file:
            file.read()
        with rasterio.open(folder / "labels" / image.name) as file:
            file.read(1)


def data_module(folder: Path, workers: int, batch_size: int) -> GenericNonGeoSegmentationDataModule:
    """Return a data module over the chips of a folder."""
    images, labels = folder / "images", folder / "labels"
    return GenericNonGeoSegmentationDataModule(
        batch_size=batch_size, num_workers=workers, num_classes=CLASSES,
        train_data_root=images, val_data_root=images, test_data_root=images,
        train_label_data_root=labels, val_label_data_root=labels, test_label_data_root=labels,
        img_grep="*.tif", label_grep="*.tif", means=[0] * 6, stds=[1] * 6,
    )  # fmt: skip


def one_process(folder: Path, rounds: int) -> tuple[float, float]:
    """Return the share of the speed of bare reads, and the chips per second."""
    dataset = GenericNonGeoSegmentationDataset(
        folder / "images", CLASSES, folder / "labels", image_grep="*.tif", label_grep="*.tif"
    )
    shares, ours = [], []
    for _ in range(rounds + 1):
        bare = seconds(lambda: bare_reads(folder))
        ours.append(seconds(lambda: drain(dataset[index] for index in range(len(dataset)))))
        shares.append(bare / ours[-1])
    return statistics.median(shares[1:]), len(dataset) / statistics.median(ours[1:])


class BareChips(Dataset[dict[str, torch.Tensor]]):
    """The same chips without anything of ours: what workers can give here at most."""

    def __init__(self, folder: Path) -> None:
        self.images = sorted((folder / "images").iterdir())

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        path = self.images[index]
        with rasterio.open(path) as file:
            image = torch.from_numpy(file.read()).float()
        with rasterio.open(path.parent.parent / "labels" / path.name) as file:
            mask = torch.from_numpy(file.read(1)).long()
        return {"image": image, "mask": mask}


def two_workers(folder: Path, rounds: int) -> tuple[float, float]:
    """Return how many times as fast as one process two workers read: ours, and the bare chips."""
    loaders: list[DataLoader[Any]] = []
    for workers in (0, 2):
        module = data_module(folder, workers, batch_size=4)
        module.setup("fit")
        loaders.append(module.train_dataloader())
        bare = BareChips(folder)
        loaders.append(DataLoader(bare, 4, num_workers=workers, persistent_workers=workers > 0))
    times = [[seconds(partial(drain, loader)) for loader in loaders] for _ in range(rounds + 1)]
    ours = statistics.median(alone / together for alone, _, together, _ in times[1:])
    return ours, statistics.median(alone / together for _, alone, _, together in times[1:])


def before_first_batch(folder: Path, rounds: int) -> float:
    """Return the seconds of pairing and checks, beyond reading one batch of one chip."""

    def start() -> None:
        module = data_module(folder, workers=0, batch_size=1)
        module.setup("fit")
        next(iter(module.train_dataloader()))

    return statistics.median(seconds(start) for _ in range(rounds))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chips", type=int, default=200, help="chips of 224 px")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows = [("figure", "measured", "reach")]
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "224"), Path(folder, "512")
        write_chips(small, options.chips, 224, classes=CLASSES)
        write_chips(large, max(options.chips // 5, 1), 512, classes=CLASSES)
        for size, chips in (("224", small), ("512", large)):
            share, speed = one_process(chips, options.rounds)
            rows.append(
                (
                    f"chips of {size} px through the data set, of bare reads",
                    f"{share:.0%} ({speed:.0f} chips/s)",
                    ">= 80 %",
                )
            )
        for size, chips in (("224", small), ("512", large)):
            ratio, limit = two_workers(chips, options.rounds)
            measured = f"{ratio:.2f} x (of bare chips: {limit:.2f} x)"
            rows.append((f"two workers, chips of {size} px", measured, ">= 1.8 x"))
        start = before_first_batch(small, options.rounds)
        rows.append(
            (f"before the first batch, {options.chips} chips", f"{start:.3f} s", "<= 0.2 s")
        )
    print_table(rows)


if __name__ == "__main__":
    main()
