"""A training step through task and Trainer against a bare loop: same model, data and optimizer.

Epochs of the two run in turn in one process; the figure is the median of the ratios.
"""

from __future__ import annotations

import argparse
import copy
import logging
import statistics
import time
import warnings

import torch
from common import print_table
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader, Dataset

from terratorch.tasks import SemanticSegmentationTask

BANDS, CLASSES, IGNORE = 6, 4, 255


class RandomChips(Dataset):  # type: ignore[type-arg]
    """Chips in memory: reading is not what is measured here."""

    def __init__(self, count: int, size: int, bands: int = BANDS, classes: int = CLASSES) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randn(count, bands, size, size, generator=generator)
        self.masks = torch.randint(0, classes, (count, size, size), generator=generator)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, object]:
        return {"image": self.images[index], "mask": self.masks[index], "filename": f"{index}.tif"}


class StepClock(Callback):
    """Time from the first batch of an epoch to the end of its last."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Start."""
        self._start = time.perf_counter()

    def on_train_batch_end(self, *args: object) -> None:
        """Take the time so far."""
        self.seconds = time.perf_counter() - self._start


def bare_epoch(model: torch.nn.Module, loader: DataLoader[object]) -> float:
    """Run one epoch of a bare loop and return its seconds."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    criterion = torch.nn.CrossEntropyLoss(ignore_index=IGNORE)
    start = time.perf_counter()
    for batch in loader:
        optimizer.zero_grad()
        loss = criterion(model(batch["image"]).output, batch["mask"])
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def trainer_epoch(task: LightningModule, loader: DataLoader[object]) -> float:
    """Run one epoch through the Trainer and return its seconds."""
    clock = StepClock()
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[clock],
    )  # fmt: skip
    trainer.fit(task, loader)
    return clock.seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=128, help="pixels a side of a chip")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=12, help="steps an epoch")
    parser.add_argument("--pairs", type=int, default=7, help="epochs of each")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(0)
    task = SemanticSegmentationTask(
        model_factory="EncoderDecoderFactory",
        model_args={
            "backbone": "timm_resnet18", "backbone_in_chans": BANDS, "decoder": "UNetDecoder",
            "decoder_channels": [64, 32, 16, 8, 8], "num_classes": CLASSES,
        },
        ignore_index=IGNORE, optimizer="AdamW", lr=1e-3,
    )  # fmt: skip
    loader = DataLoader(
        RandomChips(options.batch_size * options.steps, options.size),
        batch_size=options.batch_size,
        shuffle=True,
    )
    ratios, bare, ours = [], [], []
    for _ in range(options.pairs + 1):
        model = copy.deepcopy(task.model)
        bare.append(bare_epoch(model, loader))
        ours.append(trainer_epoch(task, loader))
        ratios.append(ours[-1] / bare[-1])
    milliseconds = [1000 * statistics.median(x[1:]) / options.steps for x in (ours, bare)]
    print_table(
        [
            ("figure", "measured", "reach"),
            (
                "training step through task and Trainer, of a bare loop",
                f"{statistics.median(ratios[1:]):.3f} x ({milliseconds[0]:.0f} ms against "
                f"{milliseconds[1]:.0f} ms)",
                "<= 1.05 x",
            ),
        ]
    )


if __name__ == "__main__":
    main()
