"""The picture of a map shows scene, map and legend."""

import os

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from rasterio.transform import Affine

from map_files import write_maps
from terratorch.colors import VIRIDIS
from terratorch.contracts.prediction import Prediction
from terratorch.prediction.maps.encoding import MapOptions
from terratorch.prediction.products.quicklook import quicklook

DEGREES = {"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 12.5, 0, -1e-4, 52.5)}
METRES = {"crs": "EPSG:32633", "transform": Affine(10, 0, 330000, 0, -10, 5822040)}


def scene(path, bands, place):
    with rasterio.open(
        path, "w", driver="GTiff", height=20, width=50, count=bands, dtype="int16", **place
    ) as dataset:
        dataset.write(np.arange(bands * 1000, dtype="int16").reshape(bands, 20, 50))
    return str(path)


def read_png(path):
    """Return the pixels of a picture in 0 to 1, `(h, w, 3)`."""
    with Image.open(path) as picture:
        return np.asarray(picture) / 255


def test_classes_have_their_colours(tmp_path):
    image = scene(tmp_path / "scene.tif", 4, METRES)
    layers = {"prediction": (torch.arange(50) // 25).expand(1, 20, 50)}
    valid = torch.ones(1, 20, 50, dtype=torch.bool)
    valid[:, :4] = False
    (path,) = write_maps(
        Prediction.of_tensors(layers, [image], valid, ["forest", "water"]), tmp_path
    )
    png = quicklook(path, tmp_path / "map.png", image, title="Land cover", attribution="(c) them")
    pixels = (read_png(png) * 255).round().astype(int).reshape(-1, 3)
    seen = {tuple(color) for color in np.unique(pixels, axis=0).tolist()}
    assert {(17, 102, 51), (31, 95, 191)} <= seen


@pytest.mark.parametrize("bands", [1, 4])
def test_values_have_a_scale(tmp_path, bands):
    image = scene(tmp_path / "scene.tif", bands, DEGREES)
    layers = {"prediction": torch.rand(1, 20, 50)}
    prediction = Prediction.of_tensors(layers, [image])
    (path,) = write_maps(prediction, tmp_path)
    pixels = read_png(quicklook(path, tmp_path / "map.png", image))
    assert pixels.std() > 0.1


def test_labels_stand_between_scene_and_map(tmp_path):
    image = scene(tmp_path / "scene.tif", 4, METRES)
    layers = {"prediction": torch.zeros(1, 20, 50, dtype=torch.int64)}
    (path,) = write_maps(
        Prediction.of_tensors(layers, [image], None, ["forest", "water"]), tmp_path
    )
    labels = tmp_path / "labels.tif"
    profile = {"height": 20, "width": 50, "count": 1, "dtype": "uint8", "nodata": 255, **METRES}
    with rasterio.open(labels, "w", driver="GTiff", **profile) as dataset:
        dataset.write(np.ones((1, 20, 50), np.uint8))
    pixels = (read_png(quicklook(path, tmp_path / "map.png", image, labels)) * 255).round()
    row = pixels[pixels.shape[0] // 2].astype(int)
    middle, last = row[row.shape[0] // 2].tolist(), row[-row.shape[0] // 6].tolist()
    assert (middle, last) == ([31, 95, 191], [17, 102, 51])


def test_each_band_of_scores_has_its_panel(tmp_path):
    image = scene(tmp_path / "scene.tif", 1, METRES)
    scores = torch.zeros(1, 4, 20, 50)
    scores[:, 1] = 1
    prediction = Prediction.of_tensors(
        {"prediction": scores[:, 0].long(), "probabilities": scores}, [image]
    )
    _, path = write_maps(prediction, tmp_path, None, MapOptions(scores_dtype="uint8"))
    pixels = (read_png(quicklook(path, tmp_path / "map.png")) * 255).round().astype(int)
    seen = {tuple(color) for color in pixels[pixels.shape[0] // 3].tolist()}
    assert {VIRIDIS[0], VIRIDIS[-1]} <= seen


def test_a_picture_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    image = scene(tmp_path / "scene.tif", 1, METRES)
    layers = {"prediction": torch.zeros(1, 20, 50, dtype=torch.int64)}
    (path,) = write_maps(Prediction.of_tensors(layers, [image]), tmp_path / "out")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("terratorch.geo.partial_file.os.replace", full)
    with pytest.raises(OSError, match="No space"):
        quicklook(path, tmp_path / "out" / "map.png")
    assert os.listdir(tmp_path / "out") == [path.name]
