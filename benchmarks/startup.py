"""What it costs to begin: importing, `terratorch --help`, and `terratorch fit` to its first step.

Every figure is the median of runs in turn with its baseline, as whole processes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import median_of_pairs, print_table, wall_seconds, write_chips

CONFIG = """
trainer:
  accelerator: cpu
  max_epochs: 1
  logger: false
  enable_progress_bar: false
  default_root_dir: {folder}/run
  callbacks:
    - class_path: first_step.StopAtFirstStep
model:
  class_path: terratorch.tasks.SemanticSegmentationTask
  init_args:
    model_factory: EncoderDecoderFactory
    model_args: {model_args}
    loss: ce
data:
  class_path: terratorch.datamodules.GenericNonGeoSegmentationDataModule
  init_args:
    batch_size: 2
    num_workers: 0
    num_classes: 3
    train_data_root: {folder}/images
    train_label_data_root: {folder}/labels
    val_data_root: {folder}/images
    val_label_data_root: {folder}/labels
    means: [5000, 5000, 5000, 5000, 5000, 5000]
    stds: [2900, 2900, 2900, 2900, 2900, 2900]
"""
MODEL_ARGS = (
    "{backbone: timm_resnet18, backbone_in_chans: 6, decoder: UNetDecoder, "
    "decoder_channels: [64, 32, 16, 8, 8], num_classes: 3}"
)
STOP = """
import os, time
from lightning.pytorch import Callback

class StopAtFirstStep(Callback):
    def on_train_batch_start(self, *args):
        open(os.environ["FIRST_STEP_FILE"], "w").write(repr(time.time()))
        os._exit(0)
"""
BASELINE = f"""
import time, os
import torch, lightning.pytorch, timm, yaml
from terratorch.registry import MODEL_FACTORY_REGISTRY
arguments = yaml.safe_load({MODEL_ARGS!r})
MODEL_FACTORY_REGISTRY.build("EncoderDecoderFactory").build_model("segmentation", **arguments)
open(os.environ["FIRST_STEP_FILE"], "w").write(repr(time.time()))
os._exit(0)
"""


def seconds_until_file(command: list[str], folder: Path) -> float:
    """Run a command that writes the time of its first step, and return the seconds until then."""
    stamp = folder / "stamp"
    environment = {**os.environ, "FIRST_STEP_FILE": str(stamp), "PYTHONPATH": str(folder)}
    start = time.time()
    subprocess.run(command, check=True, env=environment, cwd=folder, capture_output=True)
    return float(stamp.read_text()) - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=5, help="runs of each")
    runs = parser.parse_args().n
    # As for a user, modules are compiled once; the first run of each is not counted.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    cache = tempfile.TemporaryDirectory()
    os.environ["PYTHONPYCACHEPREFIX"] = cache.name
    python, terratorch = sys.executable, str(Path(sys.executable).with_name("terratorch"))

    def pairs(first: list[str], second: list[str]) -> tuple[float, float, float]:
        times = [(wall_seconds(first), wall_seconds(second)) for _ in range(runs + 1)][1:]
        return median_of_pairs([a for a, _ in times], [b for _, b in times])

    imports = pairs(
        [python, "-c", "import terratorch, terratorch.registry"], [python, "-c", "pass"]
    )
    helped = statistics.median(wall_seconds([terratorch, "--help"]) for _ in range(runs))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_chips(folder, count=8, size=64)
        (folder / "first_step.py").write_text(STOP)
        (folder / "config.yaml").write_text(CONFIG.format(folder=folder, model_args=MODEL_ARGS))
        fit, bare = [], []
        for _ in range(runs + 1):
            fit.append(seconds_until_file([terratorch, "fit", "-c", "config.yaml"], folder))
            bare.append(seconds_until_file([python, "-c", BASELINE], folder))
    first_step = median_of_pairs(fit[1:], bare[1:])
    print_table(
        [
            ("figure", "measured", "reach"),
            ("import terratorch, terratorch.registry", f"{imports[2]:.3f} s", "<= 0.1 s"),
            ("terratorch --help", f"{helped:.2f} s", "<= 0.3 s"),
            (
                "fit until the first step, beyond imports and model",
                f"{first_step[2]:.2f} s ({first_step[0]:.2f} s against {first_step[1]:.2f} s)",
                "<= 0.5 s",
            ),
        ]
    )


if __name__ == "__main__":
    main()
