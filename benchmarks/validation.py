"""A validation pass with all metrics against the forward passes alone: 20 classes, 512 px.

Passes of the two run in turn in one process; the figure is the median of the ratios.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings

import torch
from common import print_table
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader
from training_step import RandomChips

from terratorch.tasks import SemanticSegmentationTask

BANDS, CLASSES, IGNORE = 6, 20, 255


def forward_pass(model: torch.nn.Module, loader: DataLoader[object]) -> float:
    """Run the forward of every batch and return the seconds."""
    model.eval()
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in loader:
            model(batch["image"])
    return time.perf_counter() - start


def validation_pass(
    trainer: Trainer, task: SemanticSegmentationTask, loader: DataLoader[object]
) -> float:
    """Validate through the Trainer and return the seconds."""
    start = time.perf_counter()
    trainer.validate(task, loader, verbose=False)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="pixels a side of a chip")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--batches", type=int, default=6)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(0)
    task = SemanticSegmentationTask(
        model_factory="EncoderDecoderFactory",
        model_args={
            "backbone": "timm_resnet18",
            "backbone_in_chans": BANDS,
            "decoder": "UNetDecoder",
            "decoder_channels": [64, 32, 16, 8, 8],
            "num_classes": CLASSES,
        },
        ignore_index=IGNORE,
        plot_on_val=False,
    )
    chips = RandomChips(options.batch_size * options.batches, options.size, BANDS, CLASSES)
    loader = DataLoader(chips, batch_size=options.batch_size)
    trainer = Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False
    )
    ratios, whole, bare = [], [], []
    for _ in range(options.pairs + 1):
        bare.append(forward_pass(task.model, loader))
        whole.append(validation_pass(trainer, task, loader))
        ratios.append(whole[-1] / bare[-1])
    seconds = [statistics.median(series[1:]) for series in (whole, bare)]
    print_table(
        [
            ("figure", "measured", "reach"),
            (
                f"validation pass with all metrics, {CLASSES} classes, {options.size} px, of the "
                "forward passes",
                f"{statistics.median(ratios[1:]):.3f} x ({seconds[0]:.2f} s against "
                f"{seconds[1]:.2f} s)",
                "<= 1.15 x",
            ),
        ]
    )


if __name__ == "__main__":
    main()
