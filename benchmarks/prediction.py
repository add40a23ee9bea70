"""Prediction with a real encoder: how much of it is the model, and what the whole command costs.

The first figure is the time within the model over the wall time of the predicting phase, on one
scene of 2048 px that is cut into tiles. The second one is the command on 20 chips of 512 px against
a script that imports torch and Lightning, builds the same model and runs its forward on as many
arrays; the two run in turn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import lightning.pytorch
import torch
from common import print_table, wall_seconds, write_chips

CHIPS, CHIP, SCENE = 20, 512, 2048

BARE = """
import sys, torch, lightning.pytorch
from terratorch.tasks.checkpoint import read_checkpoint
task = read_checkpoint(sys.argv[1]).build_task().eval()
image = torch.randn(1, 6, {chip}, {chip})
with torch.no_grad():
    for _ in range({chips}):
        task(image)
"""


def write_checkpoint(folder: Path) -> Path:
    """Write the checkpoint of a model that has seen one batch."""
    from terratorch.datamodules import GenericNonGeoSegmentationDataModule
    from terratorch.tasks import SemanticSegmentationTask

    write_chips(folder, 2, CHIP)  # so that chips of this size run whole
    images, labels = folder / "images", folder / "labels"
    datamodule = GenericNonGeoSegmentationDataModule(
        batch_size=2, num_workers=0, num_classes=3,
        train_data_root=images, val_data_root=images, test_data_root=images,
        train_label_data_root=labels, val_label_data_root=labels, test_label_data_root=labels,
        img_grep="*.tif", label_grep="*.tif", means=[5000] * 6, stds=[2900] * 6,
    )  # fmt: skip
    task = SemanticSegmentationTask(
        model_args={
            "backbone": "prithvi_eo_v2_tiny_tl",
            "backbone_pretrained": False,
            "backbone_bands": ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"],
            "decoder": "FCNDecoder",
            "num_classes": 3,
        },
        plot_on_val=False,
    )
    trainer = lightning.pytorch.Trainer(
        accelerator="cpu", max_steps=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
    )  # fmt: skip
    trainer.fit(task, datamodule)
    path = folder / "model.ckpt"
    trainer.save_checkpoint(path)
    return path


def share_of_model(checkpoint: Path, scene: Path, maps: Path, batch_size: int) -> float:
    """Return the time within the model, over that of the predicting phase."""
    from terratorch.prediction.options import PredictionOptions
    from terratorch.prediction.predictor import Predictor
    from terratorch.prediction.run import predict

    options = PredictionOptions(
        predict_output_dir=str(maps), crop=CHIP, stride=448, delta=8, batch_size=batch_size
    )
    predictor = Predictor.from_checkpoint(checkpoint, device="cpu")
    inside = 0.0
    forward = predictor.model.forward

    def timed(*args: object, **kwargs: object) -> object:
        nonlocal inside
        start = time.perf_counter()
        output = forward(*args, **kwargs)
        inside += time.perf_counter() - start
        return output

    predictor.model.forward = timed
    return inside / predict(predictor, [scene], options).seconds


def command_seconds(checkpoint: Path, chips: Path, rounds: int) -> tuple[float, float]:
    """Return the seconds of the command, and of the bare script."""
    ours, bare = [], []
    script = [sys.executable, "-c", BARE.format(chip=CHIP, chips=CHIPS), str(checkpoint)]
    for number in range(rounds):
        maps = chips.parent / f"maps_{number}"
        command = [sys.executable, "-m", "terratorch", "predict", "--ckpt_path", str(checkpoint)]
        command += ["--predict_data", str(chips), "--predict_output_dir", str(maps)]
        bare.append(wall_seconds(script))
        ours.append(wall_seconds([*command, "--accelerator", "cpu"]))
    return statistics.median(ours), statistics.median(bare)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=1, help="each takes some minutes")
    parser.add_argument("--batch-size", type=int, default=4, help="tiles in a forward pass")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = write_checkpoint(folder / "training")
        write_chips(folder / "scene", 1, SCENE)
        (scene,) = (folder / "scene" / "images").iterdir()
        shares = [
            share_of_model(checkpoint, scene, folder / f"maps_{number}", options.batch_size)
            for number in range(options.rounds)
        ]
        write_chips(folder / "chips", CHIPS, CHIP)
        ours, bare = command_seconds(checkpoint, folder / "chips" / "images", options.rounds)
    print_table(
        [
            ("figure", "measured", "reach"),
            (
                f"time within the model, of predicting {SCENE} px",
                f"{statistics.median(shares):.1%}",
                ">= 95 %",
            ),
            (
                f"predict of {CHIPS} x {CHIP} px, whole command",
                f"{ours:.2f} s (bare script: {bare:.2f} s)",
                f"<= {1.25 * bare + 1:.2f} s",
            ),
        ]
    )


if __name__ == "__main__":
    main()
