"""What it costs to predict one chip: the command against torch, the model, and its forward alone.

`terratorch predict` of one chip of 224 px from a checkpoint, as a whole process, runs in turn with
a script that imports torch, builds the same model and runs its forward once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from common import median_of_pairs, print_table, wall_seconds, write_chips

from prediction import write_checkpoint

CHIP = 224
BARE = f"""
import torch
from terratorch.registry import MODEL_FACTORY_REGISTRY
bands = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]
model = MODEL_FACTORY_REGISTRY.build("EncoderDecoderFactory").build_model(
    "segmentation", backbone="prithvi_eo_v2_tiny_tl", backbone_pretrained=False,
    backbone_bands=bands, decoder="FCNDecoder", num_classes=3,
).eval()
with torch.no_grad():
    model(torch.randn(1, 6, {CHIP}, {CHIP}))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-n", type=int, default=5, help="runs of each")
    runs = parser.parse_args().n
    python = sys.executable
    terratorch = str(Path(python).with_name("terratorch"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = write_checkpoint(folder / "training")
        write_chips(folder / "chips", 1, CHIP)
        chip = str(folder / "chips" / "images")
        ours, bare = [], []
        for number in range(runs + 1):
            command = [terratorch, "predict", "--ckpt_path", str(checkpoint), "--predict_data"]
            command += [chip, "--predict_output_dir", str(folder / f"maps_{number}")]
            ours.append(wall_seconds([*command, "--accelerator", "cpu"]))
            bare.append(wall_seconds([python, "-c", BARE]))
    whole, model, beyond = median_of_pairs(ours[1:], bare[1:])
    print_table(
        [
            ("figure", "measured", "reach"),
            (
                f"predict of one {CHIP} px chip, beyond torch, the model and its forward",
                f"{beyond:.2f} s ({whole:.2f} s against {model:.2f} s)",
                "<= 1.5 s",
            ),
        ]
    )


if __name__ == "__main__":
    main()
