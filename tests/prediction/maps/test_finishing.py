"""Finished maps have overviews, are cloud-optimised where that is asked for, and are complete."""

import os
import resource

import numpy as np
import pytest
import rasterio
import torch
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine

from map_files import write_maps
from terratorch.contracts.prediction import Prediction
from terratorch.errors import TerraTorchError
from terratorch.prediction.maps.encoding import PROBABILITY_STEP, Encoding, MapOptions
from terratorch.prediction.maps.finishing import overview_factors
from terratorch.prediction.maps.writer import Georeference, MapWriter

PLACE = {"crs": "EPSG:32633", "transform": Affine(10, 0, 330000, 0, -10, 5822040)}
NAMES = ["forest", "water"]
COG = MapOptions(format="cog")


def scene(path, height, width, **place):
    profile = {"height": height, "width": width, "count": 1, "dtype": "uint8"} | (place or PLACE)
    with rasterio.open(path, "w", driver="GTiff", **profile) as dataset:
        dataset.write(np.ones((1, height, width), "uint8"))
    return str(path)


def class_map(folder, options=None, height=600, width=1100, **place):
    image = scene(folder / "scene.tif", height, width, **place)
    ids = torch.arange(height * width).reshape(1, height, width) % 2
    valid = torch.ones(1, height, width, dtype=torch.bool)
    valid[:, :, :520] = False
    layers = {"prediction": ids, "probabilities": torch.full((1, 2, height, width), 0.25)}
    prediction = Prediction.of_tensors(layers, [image], valid, NAMES)
    return write_maps(prediction, folder / "out", None, options)


@pytest.mark.parametrize(
    ("size", "factors"),
    [
        ((512, 512), []),
        ((1, 513), [2]),
        ((1024, 1025), [2, 4]),
        ((100, 20_000), [2, 4, 8, 16, 32, 64]),
    ],
)
def test_maps_are_halved_until_they_are_small(size, factors):
    assert overview_factors(*size) == factors


@pytest.mark.parametrize("options", [None, COG])
def test_classes_stay_classes_in_overviews_and_scores_are_averaged(tmp_path, options):
    classes, scores = class_map(tmp_path, options)
    with rasterio.open(classes) as dataset:
        assert dataset.overviews(1) == [2, 4]
    with rasterio.open(classes, overview_level=1) as dataset:
        assert set(np.unique(dataset.read(1))) <= {0, 1, 255}
    with rasterio.open(scores, overview_level=0) as dataset:
        pixels = dataset.read()
        assert np.isnan(pixels[:, :, :260]).all()
        assert (pixels[:, :, 260:] == 0.25).all()
    assert sorted(os.listdir(tmp_path / "out")) == [classes.name, scores.name]


@pytest.mark.parametrize("size", [(20, 30), (600, 1100)])
def test_a_cog_is_valid_and_keeps_all_that_a_map_says(tmp_path, size):
    (tmp_path / "cog").mkdir()
    plain, plain_scores = class_map(tmp_path, MapOptions(scores_dtype="uint8"), *size)
    options = MapOptions(scores_dtype="uint8", format="cog")
    cog, cog_scores = class_map(tmp_path / "cog", options, *size)
    for one, other in ((plain, cog), (plain_scores, cog_scores)):
        with rasterio.open(one) as expected, rasterio.open(other) as found:
            assert np.array_equal(expected.read(), found.read())
            for name in ("crs", "transform", "nodata", "descriptions", "scales", "colorinterp"):
                assert getattr(found, name) == getattr(expected, name), name
            assert found.tags() == expected.tags()
            assert found.dtypes == expected.dtypes
            if one is plain:
                assert found.colormap(1) == expected.colormap(1)
        assert is_valid_cog(other)
        assert not is_valid_cog(one) or size == (20, 30)


def is_valid_cog(path) -> bool:
    """Whether directories come first, and pixels after them from the smallest overview to the map.

    See https://github.com/OSGeo/gdal/blob/master/swig/python/gdal-utils/osgeo_utils/samples/
    validate_cloud_optimized_geotiff.py
    """
    with rasterio.open(path) as dataset:
        if dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") != "COG":
            return False
        levels = [None, *range(len(dataset.overviews(1)))]
    directories, pixels = [], []
    for level in levels:
        options = {} if level is None else {"overview_level": level}
        with rasterio.open(path, **options) as dataset:
            assert dataset.block_shapes[0][0] == dataset.block_shapes[0][1]
            directories.append(int(dataset.get_tag_item("IFD_OFFSET", "TIFF", bidx=1)))
            pixels.append(int(dataset.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1)))
    in_order = directories == sorted(directories) and pixels == sorted(pixels, reverse=True)
    return in_order and directories[-1] < pixels[-1]


def test_a_cog_keeps_ground_control_points(tmp_path):
    points = [GroundControlPoint(0, 0, 12.5, 52.5), GroundControlPoint(20, 30, 12.7, 52.4)]
    cog, _ = class_map(tmp_path, COG, 20, 30, gcps=points, crs="EPSG:4326")
    with rasterio.open(cog) as dataset:
        kept, crs = dataset.gcps
    assert [(point.x, point.y) for point in kept] == [(12.5, 52.5), (12.7, 52.4)]
    assert crs.to_epsg() == 4326


@pytest.mark.parametrize("form", ["gtiff", "cog"])
def test_half_floats_take_less_room(tmp_path, form):
    # Whole blocks: what a copy holds beyond the edge of a map is not compressed as well.
    image = scene(tmp_path / "scene.tif", 1024, 1024)
    logits = torch.rand(1, 2, 1024, 1024, generator=torch.Generator().manual_seed(0)) * 20 - 10
    sizes = []
    for scores_dtype in ("float32", "float16"):
        options = MapOptions(None, scores_dtype, form)
        prediction = Prediction.of_tensors(
            {"prediction": logits[:, 0] > 0, "logits": logits}, [image]
        )
        prediction = Prediction.of_tensors(
            {"prediction": (logits[:, 0] > 0).long(), "logits": logits}, [image]
        )
        _, path = write_maps(prediction, tmp_path / scores_dtype, None, options)
        sizes.append(path.stat().st_size)
        with rasterio.open(path) as dataset:
            assert dataset.dtypes == ("float32", "float32")
            assert np.isnan(dataset.nodata)
            assert np.allclose(dataset.read(), logits[0].numpy(), rtol=2**-11, atol=0)
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.parametrize("limit", [20_000, 1_500_000])
def test_a_disk_that_fills_up_while_it_finishes_leaves_nothing(tmp_path, limit):
    image = scene(tmp_path / "scene.tif", 600, 600)
    encoding = Encoding("float32", ("value",), format="cog")
    writer = MapWriter(tmp_path / "out/map.tif", Georeference.of(image), encoding)
    values = torch.rand(1, 600, 600)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(TerraTorchError, match=r"out: it cannot be written"), writer:
            writer.write_rows(0, values)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path / "out") == []


def test_values_of_an_empty_map_are_complete(tmp_path):
    image = scene(tmp_path / "scene.tif", 600, 600)
    nothing = torch.zeros(1, 600, 600, dtype=torch.bool)
    layers = {"prediction": torch.rand(1, 600, 600)}
    prediction = Prediction.of_tensors(layers, [image], nothing)
    (path,) = write_maps(prediction, tmp_path / "out", None, COG)
    with rasterio.open(path) as dataset:
        assert np.isnan(dataset.read()).all()


def test_bytes_of_probabilities_are_close_and_hide_nodata(tmp_path):
    image = scene(tmp_path / "scene.tif", 4, 251)
    exact = torch.linspace(0, 1, 4 * 251).reshape(1, 1, 4, 251)
    layers = {"prediction": torch.zeros(1, 4, 251, dtype=torch.long), "probabilities": exact}
    valid = torch.ones(1, 4, 251, dtype=torch.bool)
    valid[0, 0, 0] = False
    options = MapOptions(scores_dtype="uint8")
    _, path = write_maps(Prediction.of_tensors(layers, [image], valid), tmp_path, None, options)
    with rasterio.open(path) as dataset:
        assert (dataset.dtypes, dataset.nodata) == (("uint8",), 255)
        assert dataset.scales == (PROBABILITY_STEP,)
        stored = dataset.read(masked=True) * dataset.scales[0]
    assert stored.mask.sum() == 1
    assert np.abs(stored - exact[0].numpy()).max() <= PROBABILITY_STEP / 2 + 1e-6
