"""The picture of a map shows scene, map and legend."""

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import Affine

from terratorch.inference.folder import write_prediction
from terratorch.inference.prediction import Prediction, PredictionKind
from terratorch.inference.quicklook import quicklook

DEGREES = {"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 12.5, 0, -1e-4, 52.5)}
METRES = {"crs": "EPSG:32633", "transform": Affine(10, 0, 330000, 0, -10, 5822040)}


def scene(path, bands, place):
    with rasterio.open(
        path, "w", driver="GTiff", height=20, width=50, count=bands, dtype="int16", **place
    ) as dataset:
        dataset.write(np.arange(bands * 1000, dtype="int16").reshape(bands, 20, 50))
    return str(path)


@pytest.fixture
def read_png():
    image = pytest.importorskip("matplotlib.image")
    return lambda path: image.imread(path)[..., :3]


def test_classes_have_their_colours(tmp_path, read_png):
    image = scene(tmp_path / "scene.tif", 4, METRES)
    layers = {"prediction": (torch.arange(50) // 25).expand(1, 20, 50)}
    valid = torch.ones(1, 20, 50, dtype=torch.bool)
    valid[:, :4] = False
    (path,) = write_prediction(Prediction(layers, [image], valid, ["forest", "water"]), tmp_path)
    png = quicklook(path, tmp_path / "map.png", image, title="Land cover", attribution="(c) them")
    pixels = (read_png(png) * 255).round().astype(int).reshape(-1, 3)
    seen = {tuple(color) for color in np.unique(pixels, axis=0).tolist()}
    assert {(17, 102, 51), (31, 95, 191)} <= seen


@pytest.mark.parametrize("bands", [1, 4])
def test_values_have_a_scale(tmp_path, read_png, bands):
    image = scene(tmp_path / "scene.tif", bands, DEGREES)
    layers = {"prediction": torch.rand(1, 20, 50)}
    prediction = Prediction(layers, [image], kind=PredictionKind.VALUES)
    (path,) = write_prediction(prediction, tmp_path)
    pixels = read_png(quicklook(path, tmp_path / "map.png", image))
    assert pixels.std() > 0.1


def test_labels_stand_between_scene_and_map(tmp_path, read_png):
    image = scene(tmp_path / "scene.tif", 4, METRES)
    layers = {"prediction": torch.zeros(1, 20, 50, dtype=torch.int64)}
    (path,) = write_prediction(Prediction(layers, [image], None, ["forest", "water"]), tmp_path)
    labels = tmp_path / "labels.tif"
    profile = {"height": 20, "width": 50, "count": 1, "dtype": "uint8", "nodata": 255, **METRES}
    with rasterio.open(labels, "w", driver="GTiff", **profile) as dataset:
        dataset.write(np.ones((1, 20, 50), np.uint8))
    pixels = (read_png(quicklook(path, tmp_path / "map.png", image, labels)) * 255).round()
    row = pixels[pixels.shape[0] // 2].astype(int)
    middle, last = row[row.shape[0] // 2].tolist(), row[-row.shape[0] // 6].tolist()
    assert (middle, last) == ([31, 95, 191], [17, 102, 51])
