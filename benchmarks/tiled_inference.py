"""Tiled inference with an identity model: its memory and time against copying the tiles alone.

Each run is a process of its own, since its peak memory cannot be reset.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from common import print_table

from terratorch.tasks.tiled_inference import tiled_inference
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.plan import plan_tiles

BANDS, CROP, STRIDE, DELTA = 6, 224, 192, 8


def peak_bytes() -> int:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def copy_tiles(scene: torch.Tensor) -> float:
    """Copy every tile once in and its output once out; return the seconds."""
    output = torch.empty_like(scene)
    parameters = TiledInferenceParameters(
        h_crop=CROP, w_crop=CROP, h_stride=STRIDE, w_stride=STRIDE, delta=DELTA, padding=False
    )
    plan = plan_tiles(scene.shape[-2], scene.shape[-1], parameters)
    start = time.perf_counter()
    for row in range(len(plan.rows)):
        for tile in plan.tile_row(row):
            window = (..., slice(tile.top, tile.top + CROP), slice(tile.left, tile.left + CROP))
            output[window] = scene[window].clone()
    return time.perf_counter() - start


def run_tiles(scene: torch.Tensor) -> float:
    """Run the identity over all tiles; return the seconds."""
    start = time.perf_counter()
    tiled_inference(lambda tiles: tiles, scene, crop=CROP, stride=STRIDE, delta=DELTA)
    return time.perf_counter() - start


def measure(what: str, size: int) -> None:
    """Run one of the two in this process, and print seconds and bytes beyond the scene as JSON."""
    torch.set_num_threads(1)
    scene = torch.rand(1, BANDS, size, size)
    # Once on a corner: what is loaded at first use is not counted.
    action = {"copy": copy_tiles, "tiled": run_tiles}[what]
    action(scene[..., : 4 * CROP, : 4 * CROP])
    before = peak_bytes()
    seconds = action(scene)
    beyond = peak_bytes() - before - scene.nbytes  # the output is as large as the scene
    sys.stdout.write(json.dumps({"seconds": seconds, "beyond": beyond}))


def measured(what: str, size: int) -> dict[str, float]:
    """Run `measure` in a process of its own."""
    command = [sys.executable, __file__, "--size", str(size), "--only", what]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output)  # type: ignore[no-any-return]  # written by `measure`


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=8192, help="pixels a side of the scene")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--only", choices=("copy", "tiled"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        measure(options.only, options.size)
        return
    pairs = [
        (measured("tiled", options.size), measured("copy", options.size))
        for _ in range(options.pairs)
    ]
    ratio = statistics.median(tiled["seconds"] / copy["seconds"] for tiled, copy in pairs)
    seconds = statistics.median(tiled["seconds"] for tiled, _ in pairs)
    beyond = max(tiled["beyond"] for tiled, _ in pairs) / 1e9
    scene = f"{BANDS} x {options.size} x {options.size}"
    print_table(
        [
            ("figure", "measured", "reach"),
            (f"tiled inference over {scene}, of copying its tiles",
             f"{ratio:.2f} x ({seconds:.1f} s)", "<= 1.5 x"),
            ("its memory beyond input and output", f"{beyond:.2f} GB", "<= 0.6 GB"),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
