"""The result of the sample: a table of scores, two checks of the whole map, and its picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terratorch.cli.demo.labels import CLASS_NAMES, IGNORE
from terratorch.cli.demo.prepare import LABELS_FILE, OSM_NOTICE, SCENE_FILE, SENTINEL_NOTICE
from terratorch.cli.demo.scene import BANDS
from terratorch.errors import DataError, MissingFileError
from terratorch.geo.raster import read_raster
from terratorch.prediction.products.quicklook import quicklook

PICTURE_FILE = "land_cover.png"
MAP_FOLDER = "maps"
PRETRAINED, MAJORITY = "pretrained encoder", "majority-class map"
# The row of the table, and the file that `terratorch test` records its metrics in.
RECORDS = {"random weights": "metrics/random_weights.json", PRETRAINED: "metrics/pretrained.json"}
# Loose on purpose: single runs on this small sample differ by several hundredths.
LEAST_MIOU, LEAST_GAIN = 0.55, 0.3


def write_report(root: Path) -> tuple[str, bool]:
    """Read what `terratorch test` and `predict` wrote into a prepared folder, and draw the picture.

    Returns:
        The text for the terminal, and whether the pretrained model is clearly better than no model.

    Raises:
        MissingFileError: If the folder is not prepared, or a step has not been run.
    """
    scene = read_raster(_existing(root / SCENE_FILE, f"terratorch demo {root}")).data
    map_path = find_map(root / MAP_FOLDER)
    scores = {MAJORITY: majority_scores(root)}
    for row, name in RECORDS.items():
        record = _existing(root / name, f"terratorch test, with {name} as path_to_record_metrics")
        scores[row] = read_scores(record)
    miou = scores[PRETRAINED]["mIoU"]
    quicklook(
        map_path,
        root / PICTURE_FILE,
        root / SCENE_FILE,
        root / LABELS_FILE,
        title=f"Land cover from Sentinel-2, 2017-02-16 (test mIoU {miou:.2f})",
        attribution=f"{SENTINEL_NOTICE}. {OSM_NOTICE}.",
        rgb=[list(BANDS).index(band) + 1 for band in ("B04", "B03", "B02")],
    )
    shares = share_as_expected(scene, read_raster(map_path).data[0])
    places = {"Map": map_path, "Picture": root / PICTURE_FILE, "Metrics": root / "metrics"}
    lines = [*_table(scores), ""]
    lines += [f"Whole map, {name}: {share:.2f}" for name, share in shares.items()]
    lines += ["", *(f"{name + ':':<9}{path}" for name, path in places.items())]
    has_learned = miou >= LEAST_MIOU and miou > scores[MAJORITY]["mIoU"] + LEAST_GAIN
    if not has_learned:
        lines.append(
            f"The model has not learned: its mIoU must be at least {LEAST_MIOU}, and more than "
            f"{LEAST_GAIN} above that of the majority-class map."
        )
    return "\n".join(lines) + "\n", has_learned


def majority_scores(root: Path) -> dict[str, float]:
    """Return the scores on the test chips of a map of the most common training class."""
    majority = int(_counts(root, "train").argmax())
    counts = _counts(root, "test")
    # The map has one class: its intersection is that class, its union every labelled pixel.
    ious = np.where(np.arange(len(CLASS_NAMES)) == majority, counts / counts.sum(), 0.0)
    return dict(zip(CLASS_NAMES, map(float, ious), strict=True)) | {"mIoU": float(ious.mean())}


def read_scores(path: Path) -> dict[str, float]:
    """Return mIoU and the IoU of each class as `terratorch test` recorded them.

    Raises:
        DataError: If the file does not hold them.
    """
    names = {name: f"test/IoU_{name}" for name in CLASS_NAMES} | {"mIoU": "test/mIoU"}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {name: float(record[column]) for name, column in names.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}", f"it does not hold {', '.join(names.values())}", "Run `terratorch test`."
        ) from error


def share_as_expected(scene: NDArray[np.uint16], land_cover: NDArray[np.uint8]) -> dict[str, float]:
    """Return how much of the conifer-like land is forest on the map, and of the lake-like water.

    Labels cover a quarter of the scene; these two rules look at all of it, so that a large area
    with the wrong class shows. They were found by eye on this scene and hold for no other.
    """
    bands = dict(zip(BANDS, scene.astype(np.float32), strict=True))
    ndvi = (bands["B08"] - bands["B04"]) / np.maximum(bands["B08"] + bands["B04"], 1)
    conifers = (ndvi > 0.33) & (bands["B11"] < 1050) & (bands["B08"] > 1000)
    lakes = (ndvi < -0.12) & (bands["B11"] < 260)
    rules = {
        "conifer-like pixels mapped as forest": (conifers, "forest"),
        "lake-like pixels mapped as water": (lakes, "water"),
    }
    return {
        name: float((land_cover[where] == CLASS_NAMES.index(label)).sum()) / max(where.sum(), 1)
        for name, (where, label) in rules.items()
    }


def find_map(folder: Path) -> Path:
    """Return the map in the folder that `terratorch predict` wrote to."""
    maps = sorted(folder.glob("*.tif"))
    if len(maps) != 1:
        raise MissingFileError(
            f"{folder}",
            f"there are {len(maps)} maps (*.tif), expected one",
            f"Run `terratorch predict` with --predict_output_dir {folder}.",
        )
    return maps[0]


def _counts(root: Path, split: str) -> NDArray[np.int64]:
    """Return the number of labelled pixels of each class in the chips of a split."""
    names = (root / f"{split}.txt").read_text(encoding="utf-8").split()
    pixels = np.concatenate([read_raster(root / f"labels/{name}.tif").data for name in names])
    return np.bincount(pixels[pixels != IGNORE], minlength=len(CLASS_NAMES))


def _table(scores: Mapping[str, Mapping[str, float]]) -> list[str]:
    columns = ("mIoU", *CLASS_NAMES)
    width = max(map(len, scores))
    head = f"{'IoU on the test chips':<{width}}" + "".join(f"{name:>13}" for name in columns)
    rows = [
        f"{row:<{width}}" + "".join(f"{values[name]:>13.3f}" for name in columns)
        for row, values in scores.items()
    ]
    return [head, *rows]


def _existing(path: Path, command: str) -> Path:
    if not path.is_file():
        raise MissingFileError(f"{path}", "does not exist", f"It is written by: {command}")
    return path
