"""Boxes of overlapping tiles become those of the scene, as files, pictures and reports."""

import json

import geopandas
import numpy as np
import pytest
import rasterio
import torch
from output_parts import OBJECTS, SIZE, boxes_in, objects_scene, true_boxes
from own_outputs import NAMES

from terratorch.contracts.outputs import Boxes
from terratorch.prediction.options import PredictionOptions
from terratorch.prediction.outputs.boxes import read_boxes
from terratorch.prediction.run import predict

TILES = {"crop": 40, "stride": 24, "delta": 0}


def options(folder, **changes):
    return PredictionOptions(predict_output_dir=str(folder), **TILES | changes)


@pytest.mark.parametrize("padding", [None, "false"])
@pytest.mark.parametrize("task", ["BlobTask", "InstanceTask"])
def test_objects_of_a_scene_are_found_once_and_whole(task, padding, predictor, scene, tmp_path):
    chosen = options(tmp_path / "out", padding=padding and False)
    report = predict(predictor(task, class_names=NAMES), [scene], chosen)
    (path,) = report.written
    assert path == tmp_path / "out/scene_pred.gpkg"
    boxes = read_boxes(path)
    assert boxes_in(boxes) == true_boxes()
    frame = geopandas.read_file(path)
    with rasterio.open(scene) as dataset:
        assert frame.crs == dataset.crs.to_wkt()
        left, top = dataset.transform @ (4, 3)
        right, bottom = dataset.transform @ (12, 9)
    first = frame[(frame.left == 4) & (frame.top == 3)].geometry.iloc[0]
    assert first.bounds == (left, bottom, right, top)
    assert set(frame.class_name) == set(NAMES)
    assert ((frame.score > 0) & (frame.score < 1)).all()
    if boxes.masks is not None:
        assert all(mask.all() for mask in boxes.masks[0])
        assert [tuple(mask.shape) for mask in boxes.masks[0]] == [
            (bottom - top, right - left)
            for left, top, right, bottom in boxes.boxes[0].int().tolist()
        ]


@pytest.mark.parametrize("crop", [24, 33, 64, 200])
def test_the_tiles_do_not_matter(crop, predictor, scene, tmp_path):
    chosen = options(tmp_path, crop=crop, stride=crop // 2)
    (path,) = predict(predictor("BlobTask"), [scene], chosen).written
    assert boxes_in(read_boxes(path)) == true_boxes()


def test_a_shape_that_is_no_square_keeps_its_mask(predictor, tmp_path):
    bars = [(30, 20, 4, 40, 0), (30, 20, 40, 4, 0)]  # an angle, cut by several tiles
    scene = objects_scene(tmp_path / "angle.tif", bars)
    (path,) = predict(predictor("InstanceTask"), [scene], options(tmp_path / "out")).written
    boxes = read_boxes(path)
    assert boxes_in(boxes) == [(20, 30, 60, 70, 0)]
    mask = np.zeros((40, 40), bool)
    mask[:4] = mask[:, :4] = True
    assert np.array_equal(boxes.masks[0][0].numpy(), mask)


def test_nodata_and_what_is_outside_the_area_have_no_objects(predictor, tmp_path):
    scene = objects_scene(tmp_path / "scene.tif")
    with rasterio.open(scene, "r+") as dataset:
        pixels = dataset.read()
        pixels[:, 50:59, 10:19] = -1
        dataset.write(pixels)
        corners = [dataset.transform @ corner for corner in ((0, 0), (50, 100))]
    (left, top), (right, bottom) = corners
    area = f"{left},{bottom},{right},{top}"
    chosen = options(tmp_path / "out", area=area, area_crs="EPSG:32633")
    (path,) = predict(predictor("BlobTask"), [scene], chosen).written
    inside = [box for box in true_boxes() if box[0] < 45 and box[1] != 50]
    assert boxes_in(read_boxes(path)) == inside


def test_a_rerun_skips_complete_files_and_other_weights_do_not(predictor, scene, tmp_path):
    chosen = options(tmp_path)
    model = predictor("BlobTask")
    (path,) = predict(model, [scene], chosen).written
    before = path.stat().st_mtime_ns
    report = predict(model, [scene], chosen)
    assert report.skipped == [scene]
    assert path.stat().st_mtime_ns == before
    model.model.filter.weight.data *= 0.9
    assert predict(model, [scene], chosen).written == [path]
    assert not list(tmp_path.glob(".*partial"))


def test_an_error_leaves_no_file(predictor, scene, tmp_path):
    model = predictor("BlobTask")
    calls = []

    def failing(image):
        calls.append(image)
        if len(calls) == 2:
            raise RuntimeError("out of order")
        return forward(image)

    forward, model.model.forward = model.model.forward, failing
    with pytest.raises(RuntimeError, match="out of order"):
        predict(model, [scene], options(tmp_path / "out", batch_size=4))
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("form", ["geojson", "parquet"])
def test_other_formats(form, predictor, scene, tmp_path):
    chosen = options(tmp_path, format=form, quicklook=False)
    (path,) = predict(predictor("BlobTask"), [scene], chosen).written
    assert path.suffix == f".{form}"
    assert boxes_in(read_boxes(path)) == true_boxes()
    if form == "geojson":
        assert json.loads(path.read_text())["features"][0]["properties"]["class_id"] in (0, 1)


def test_a_scene_without_objects_has_an_empty_file(predictor, tmp_path):
    scene = objects_scene(tmp_path / "scene.tif", [])
    for form in ("gpkg", "geojson", "parquet"):
        chosen = options(tmp_path / "out", format=form)
        (path,) = predict(predictor("BlobTask"), [scene], chosen).written
        assert len(read_boxes(path).boxes[0]) == 0


def test_python_gives_boxes(predictor, scene):
    (prediction,) = predictor("BlobTask").predict_in_memory([scene])
    assert isinstance(prediction.main, Boxes)
    assert boxes_in(prediction.main) == true_boxes()


def test_memory_depends_on_the_rows_of_tiles(predictor, tmp_path, monkeypatch):
    from terratorch.prediction.outputs import merging

    sizes = []
    merge = merging.merge_boxes
    monkeypatch.setattr(
        merging, "merge_boxes", lambda boxes: sizes.append(len(boxes)) or merge(boxes)
    )
    objects = [(row, column, 3, 3, 0) for row in range(4, 600, 8) for column in range(4, 60, 8)]
    scene = objects_scene(tmp_path / "scene.tif", objects, (604, 64))
    (path,) = predict(predictor("BlobTask"), [scene], options(tmp_path / "out")).written
    assert boxes_in(read_boxes(path)) == true_boxes(objects, (604, 64))
    assert max(sizes) < 0.2 * sum(sizes)


def test_the_size_of_the_scene_is_no_multiple_of_anything():
    assert SIZE[0] % TILES["stride"]
    assert torch.tensor(OBJECTS).shape[1] == 5
