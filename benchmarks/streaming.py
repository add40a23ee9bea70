"""Prediction of a large scene: peak memory and time against a bare rasterio loop.

The loop reads each block once and writes the output once, with the same blocks and compression.
Each run is a process of its own, since its peak memory cannot be reset. The model gives two of the
bands as the scores of two classes, so that what is measured is all but the model.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
import torch
from common import print_table
from rasterio.transform import from_origin
from rasterio.windows import Window

BANDS, BLOCK = 6, 512
SOURCE, TARGET = "scene.tif", "scene_pred.tif"


def peak_bytes() -> int:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def write_scene(path: Path, size: int) -> None:
    """Write 6 bands of noise on slopes, int16, uncompressed in blocks."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 2000, (BANDS, BLOCK, BLOCK), dtype=np.int16)
    with rasterio.open(path, "w", count=BANDS, dtype="int16", **_grid(size)) as dataset:
        for _, window in dataset.block_windows(1):
            slope = np.int16((window.row_off + window.col_off) * 2000 // size)
            dataset.write(noise[:, : window.height, : window.width] + slope, window=window)


def _grid(size: int) -> dict[str, object]:
    return {
        "driver": "GTiff",
        "height": size,
        "width": size,
        "crs": "EPSG:32633",
        "transform": from_origin(330000, 5822040, 10, 10),
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "BIGTIFF": "IF_SAFER",
    }


def bare_loop(folder: Path) -> float:
    """Read each block once and write a class of each pixel once; return the seconds."""
    start = time.perf_counter()
    with (
        rasterio.Env(GDAL_CACHEMAX=128 * 2**20),
        rasterio.open(folder / SOURCE) as source,
        rasterio.open(
            folder / TARGET,
            "w",
            count=1,
            dtype="uint8",
            compress="deflate",
            predictor=2,
            **_grid(source.height),
        ) as target,
    ):
        for top in range(0, source.height, BLOCK):
            for left in range(0, source.width, BLOCK):
                height = min(BLOCK, source.height - top)
                window = Window(left, top, min(BLOCK, source.width - left), height)
                pixels = source.read(window=window)
                target.write((pixels[1] > pixels[0]).astype(np.uint8), 1, window=window)
    return time.perf_counter() - start


class TwoBands(torch.nn.Module):
    """The first two bands, as the scores of two classes."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return `(B, 2, H, W)`."""
        return image[:, :2]


def stream(folder: Path, batch_size: int) -> float:
    """Predict the scene as `terratorch predict` does; return the seconds of the prediction."""
    from terratorch.contracts.input_spec import InputSpec
    from terratorch.prediction.options import PredictionOptions
    from terratorch.prediction.predictor import Predictor
    from terratorch.prediction.run import predict
    from terratorch.tasks import SemanticSegmentationTask

    task = SemanticSegmentationTask(
        model=TwoBands(),
        model_args={"num_classes": 2},
        tiled_inference_parameters={
            "crop": 512,
            "stride": 448,
            "delta": 8,
            "batch_size": batch_size,
        },
    )
    spec = InputSpec.create(means=[0.0] * BANDS, stds=[1.0] * BANDS)
    options = PredictionOptions(predict_output_dir=str(folder), quicklook=False)
    return predict(Predictor.from_task(task, spec), [folder / SOURCE], options).seconds


def measure(what: str, folder: Path, batch_size: int) -> None:
    """Run one of the two in this process, and print seconds and bytes above imports as JSON."""
    before = peak_bytes()
    seconds = bare_loop(folder) if what == "bare" else stream(folder, batch_size)
    result = {"seconds": seconds, "peak": peak_bytes() - before}
    sys.stdout.write(f"\n{json.dumps(result)}")


def measured(what: str, folder: Path, batch_size: int) -> dict[str, float]:
    """Run `measure` in a process of its own."""
    command = [sys.executable, __file__, "--only", what, "--folder", str(folder)]
    command += ["--batch-size", str(batch_size)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])  # type: ignore[no-any-return]  # of `measure`


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=4000, help="pixels a side of the scene")
    parser.add_argument("--batch-size", type=int, default=4, help="tiles in a forward pass")
    parser.add_argument("--folder", type=Path, help="where the scene is kept; by default nowhere")
    parser.add_argument("--only", choices=["bare", "stream"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only is not None:
        measure(options.only, options.folder, options.batch_size)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        write_scene(folder / SOURCE, options.size)
        bare = measured("bare", folder, options.batch_size)
        with rasterio.open(folder / TARGET) as dataset:
            expected = dataset.checksum(1)
        (folder / TARGET).unlink()
        streamed = measured("stream", folder, options.batch_size)
        with rasterio.open(folder / TARGET) as dataset:
            same = dataset.checksum(1)
    side = options.size
    print_table(
        [
            (f"6 x {side} x {side} int16, peak above imports", _memory(streamed), "<= 1.2 GB"),
            ("bare loop, peak above imports", _memory(bare), ""),
            ("time of the prediction", f"{streamed['seconds']:.2f} s", ""),
            ("time of the bare loop", f"{bare['seconds']:.2f} s", ""),
            ("ratio", f"{streamed['seconds'] / bare['seconds']:.2f}", "<= 1.5"),
            ("the maps are equal", "yes" if same == expected else "no", "yes"),
        ]
    )


def _memory(result: dict[str, float]) -> str:
    return f"{result['peak'] / 1e9:.2f} GB"


if __name__ == "__main__":
    main()
