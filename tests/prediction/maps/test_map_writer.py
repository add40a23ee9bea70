"""Maps keep where they lie, carry nodata, names and colours, and appear only when complete."""

import csv
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine

from map_files import encoding_of, write_maps
from terratorch.colors import palette
from terratorch.contracts.outputs import Table
from terratorch.contracts.prediction import Prediction
from terratorch.errors import ConfigurationError, DataError, TerraTorchError
from terratorch.prediction.maps.encoding import MapOptions
from terratorch.prediction.maps.writer import Georeference, MapWriter
from terratorch.prediction.outputs.folder import PredictionFolder

TRANSFORM = Affine(10, 0, 330000, 0, -10, 5822040)
NAMES = ["forest", "water", "built"]


def scene(path: Path, height: int = 20, width: int = 30, **profile) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"crs": "EPSG:32633", "transform": TRANSFORM, "nodata": 0} | profile
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=2, dtype="int16", **profile
    ) as dataset:
        dataset.write(np.ones((2, height, width), dtype="int16"))
    return str(path)


def classes(*filenames: str, size=(20, 30), names=NAMES, **layers) -> Prediction:
    maps = torch.arange(size[0] * size[1]).reshape(size) % len(names or "abc")
    batch = maps.expand(len(filenames), *size)
    return Prediction.of_tensors(
        {"prediction": batch, **layers}, list(filenames), class_names=names
    )


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_class_map_keeps_its_place_and_carries_classes(tmp_path):
    image = scene(tmp_path / "in/scene.tif")
    prediction = classes(image)
    prediction.valid = torch.ones(1, 20, 30, dtype=torch.bool)
    prediction.valid[0, :5] = False
    (path,) = write_maps(prediction, tmp_path / "out")
    assert path == tmp_path / "out/scene_pred.tif"
    with rasterio.open(path) as dataset:
        assert dataset.crs.to_epsg() == 32633
        assert dataset.transform == TRANSFORM
        assert dataset.dtypes == ("uint8",)
        assert dataset.nodata == 255
        assert dataset.profile["tiled"]
        assert dataset.compression.name == "deflate"
        assert dataset.descriptions == ("class",)
        assert json.loads(dataset.tags()["CLASS_NAMES"]) == NAMES
        assert dataset.tags()["class_1"] == "water"
        colors = dataset.colormap(1)
        assert [colors[index][:3] for index in range(3)] == palette(NAMES)
        pixels = dataset.read(1)
    assert (pixels[:5] == 255).all()
    assert np.array_equal(pixels[5:], prediction.main.values[0, 5:].numpy())
    assert names_in(tmp_path / "out") == ["scene_pred.tif"]


def test_probabilities_and_values_are_floats_with_band_names(tmp_path):
    image = scene(tmp_path / "scene.tif")
    scores = torch.rand(1, 3, 20, 30)
    paths = write_maps(classes(image, probabilities=scores), tmp_path / "out", prefix="v1-")
    assert [path.name for path in paths] == [
        "v1-scene_pred.tif",
        "v1-scene_pred_probabilities.tif",
    ]
    with rasterio.open(paths[1]) as dataset:
        assert dataset.descriptions == tuple(NAMES)
        assert dataset.dtypes == ("float32",) * 3
        assert np.isnan(dataset.nodata)
        assert np.allclose(dataset.read(), scores[0].numpy())


def test_values_of_several_variables(tmp_path):
    image = scene(tmp_path / "scene.tif")
    layers = {"prediction": torch.rand(1, 2, 20, 30)}
    prediction = Prediction.of_tensors(layers, [image])
    prediction.valid = torch.zeros(1, 20, 30, dtype=torch.bool)
    (path,) = write_maps(prediction, tmp_path / "out")
    with rasterio.open(path) as dataset:
        assert dataset.descriptions == ("prediction_0", "prediction_1")
        assert np.isnan(dataset.read()).all()


def test_ground_control_points_are_kept(tmp_path):
    points = [GroundControlPoint(0, 0, 12.5, 52.5), GroundControlPoint(20, 30, 12.7, 52.4)]
    image = scene(tmp_path / "scene.tif", transform=None, crs="EPSG:4326", gcps=points)
    (path,) = write_maps(classes(image), tmp_path / "out")
    with rasterio.open(path) as dataset:
        kept, crs = dataset.gcps
    assert [(point.x, point.y) for point in kept] == [(12.5, 52.5), (12.7, 52.4)]
    assert crs.to_epsg() == 4326


@pytest.mark.parametrize(
    ("count", "asked", "dtype"),
    [(255, None, "uint8"), (256, None, "uint16"), (3, "int16", "int16")],
)
def test_the_dtype_fits_the_classes(count, asked, dtype):
    names = [f"c{index}" for index in range(count)]
    prediction = classes("a.tif", size=(2, 2), names=names)
    assert encoding_of(prediction, "prediction", MapOptions(asked)).dtype == dtype


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("uint8", "out_dtype: uint8 would cut off the decimals of the layer 'prediction'. Use"),
        ("flaot32", "out_dtype: 'flaot32' is not a dtype of maps. Did you mean 'float32'"),
    ],
)
def test_a_dtype_that_does_not_fit_is_refused(asked, message):
    prediction = Prediction.of_tensors({"prediction": torch.rand(1, 3, 20, 30)}, ["a.tif"])
    with pytest.raises(ConfigurationError, match="^" + message):
        encoding_of(prediction, "prediction", MapOptions(asked))


def test_an_integer_for_the_classes_leaves_their_scores_floats():
    prediction = classes("a.tif", probabilities=torch.rand(1, 3, 20, 30))
    assert encoding_of(prediction, "prediction", MapOptions("int16")).dtype == "int16"
    assert encoding_of(prediction, "probabilities", MapOptions("int16")).dtype == "float32"
    assert encoding_of(prediction, "probabilities", MapOptions("float64")).dtype == "float64"


def test_a_class_without_a_name_is_refused_and_nothing_is_left(tmp_path):
    image = scene(tmp_path / "scene.tif")
    prediction = classes(image)
    prediction.outputs["prediction"] = prediction.main.map(lambda ids: ids + 1)
    with pytest.raises(DataError, match=r"scene.tif: its predicted classes are 1 to 3, of which 0"):
        write_maps(prediction, tmp_path / "out")
    assert names_in(tmp_path / "out") == []


def test_a_class_beyond_the_dtype_is_refused(tmp_path):
    image = scene(tmp_path / "scene.tif")
    layers = {"prediction": torch.full((1, 20, 30), 255)}
    with pytest.raises(DataError, match=r"of which 0 to 254 can be written. Use a wider"):
        write_maps(
            Prediction.of_tensors(layers, [image]), tmp_path / "out", options=MapOptions("uint8")
        )


def test_a_prediction_of_another_size_is_refused(tmp_path):
    image = scene(tmp_path / "scene.tif")
    with pytest.raises(DataError, match="prediction has 8 x 8 pixels, the image 20 x 30"):
        write_maps(classes(image, size=(8, 8)), tmp_path / "out")


def test_two_images_of_one_name_do_not_overwrite_each_other(tmp_path):
    first, second = scene(tmp_path / "a/scene.tif"), scene(tmp_path / "b/scene.tif")
    with PredictionFolder(tmp_path / "out") as folder:
        folder.write(classes(first))
        with pytest.raises(DataError, match=r"b/scene.tif: its map would overwrite that of .*a/sc"):
            folder.write(classes(second))


def test_an_interrupted_map_is_not_there(tmp_path):
    image = scene(tmp_path / "scene.tif")
    encoding = encoding_of(classes(image), "prediction")
    path = tmp_path / "out/scene_pred.tif"

    def interrupted():
        with MapWriter(path, Georeference.of(image), encoding) as writer:
            writer.write_rows(0, torch.zeros(1, 8, 30, dtype=torch.int64))
            assert not path.exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names_in(tmp_path / "out") == []


def test_rows_can_be_written_block_by_block_over_an_older_map(tmp_path):
    image = scene(tmp_path / "scene.tif")
    (path,) = write_maps(classes(image), tmp_path)
    encoding = encoding_of(classes(image), "prediction")
    with MapWriter(path, Georeference.of(image), encoding) as writer:
        for top in (0, 8, 16):
            rows = torch.full((1, min(8, 20 - top), 30), top // 8)
            writer.write_rows(top, rows)
    with rasterio.open(path) as dataset:
        assert dataset.read(1)[:, 0].tolist() == [0] * 8 + [1] * 8 + [2] * 4


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    image = scene(tmp_path / "scene.tif")
    with pytest.raises(
        TerraTorchError, match=r"^The output folder .*file/out: it cannot be written"
    ):
        write_maps(classes(image), tmp_path / "file/out")


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    image = scene(tmp_path / "scene.tif")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("terratorch.prediction.maps.writer.os.replace", full)
    with pytest.raises(TerraTorchError, match=r"out: it cannot be written to .No space left"):
        write_maps(classes(image), tmp_path / "out")
    assert names_in(tmp_path / "out") == []


def test_a_disk_that_fills_up_is_told_and_leaves_nothing(tmp_path):
    image = scene(tmp_path / "scene.tif", height=300, width=300)
    layers = {"prediction": torch.rand(1, 300, 300)}
    prediction = Prediction.of_tensors(layers, [image])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(
            TerraTorchError, match=r"^The output folder .*out: it cannot be written"
        ):
            write_maps(prediction, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names_in(tmp_path / "out") == []


@pytest.mark.slow
def test_a_kill_leaves_nothing_under_a_final_name(tmp_path):
    image = scene(tmp_path / "scene.tif")
    path = tmp_path / "out/scene_pred.tif"
    code = f"""
import os, signal, torch
from pathlib import Path
from terratorch.prediction.maps.encoding import Encoding
from terratorch.prediction.maps.writer import Georeference, MapWriter
encoding = Encoding("uint8", ("class",))
with MapWriter(Path({str(path)!r}), Georeference.of({image!r}), encoding) as writer:
    writer.write_rows(0, torch.zeros(1, 8, 30))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], timeout=120, check=False)
    assert killed.returncode == -9
    assert [name for name in names_in(tmp_path / "out") if name.endswith(".tif")] == []


def test_labels_become_a_table(tmp_path):
    scores = torch.tensor([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1]])
    layers = {"prediction": scores.argmax(1), "probabilities": scores}
    batch = Prediction.of_tensors(layers, ["a.tif", "b.tif"], class_names=NAMES, output_type=Table)
    with PredictionFolder(tmp_path, prefix="x_") as folder:
        (path,) = folder.write(batch)
        folder.write(batch)
        assert not path.exists()
    assert path == tmp_path / "x_predictions.csv"
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[0][:4] == ["filename", "class_id", "class_name", "probability"]
    assert rows[0][4:] == ["probabilities_forest", "probabilities_water", "probabilities_built"]
    assert rows[1] == ["a.tif", "1", "water", "0.7", "0.1", "0.7", "0.2"]
    assert rows[2] == ["b.tif", "0", "forest", "0.6", "0.6", "0.3", "0.1"]
    assert len(rows) == 5


def test_scores_alone_name_the_highest(tmp_path):
    layers = {"prediction": torch.tensor([[0.0, 2.0]])}
    (path,) = write_maps(Prediction.of_tensors(layers, ["a.tif"], output_type=Table), tmp_path)
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[0][3:] == ["prediction_0", "prediction_1"]
    assert rows[1] == ["a.tif", "1", "", "0", "2"]


def test_an_interrupted_table_is_not_there(tmp_path):
    layers = {"prediction": torch.tensor([7])}
    batch = Prediction.of_tensors(layers, ["a.tif"], class_names=NAMES, output_type=Table)
    with pytest.raises(DataError, match=r"a.tif: its predicted class is 7, but there are 3"):
        write_maps(batch, tmp_path / "out")
    assert names_in(tmp_path / "out") == []


def test_a_prediction_splits_into_images():
    prediction = classes("a.tif", "b.tif", probabilities=torch.rand(2, 3, 20, 30))
    prediction.valid = torch.ones(2, 20, 30, dtype=torch.bool)
    first, second = prediction.split()
    assert (first.filenames, second.filenames) == (["a.tif"], ["b.tif"])
    assert second.outputs["probabilities"].values.shape == (1, 3, 20, 30)
    assert second.valid.shape == (1, 20, 30)


def test_ids_without_names_have_the_colours_of_their_numbers(tmp_path):
    (path,) = write_maps(classes(scene(tmp_path / "a.tif"), names=None), tmp_path / "out")
    with rasterio.open(path) as dataset:
        colors = dataset.colormap(1)
    assert [colors[index][:3] for index in range(3)] == palette(["0", "1", "2"])
    assert colors[255][3] == 0
