"""The mosaic over the maps of a run."""

import logging

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine, from_origin

from terratorch.prediction.products.mosaic import Mosaic
from terratorch.prediction.products.products import FinishedMap, Products

UTM = rasterio.CRS.from_epsg(32633)
COLORS = {0: (190, 190, 190, 255), 1: (31, 95, 191, 255), 255: (255, 255, 255, 0)}


def write(path, pixels, transform=None, crs=UTM, nodata=255.0, colors=COLORS):
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    count, height, width = pixels.shape
    profile = {"count": count, "height": height, "width": width, "dtype": pixels.dtype.name}
    profile |= {"crs": crs, "transform": transform, "nodata": nodata, "tiled": True}
    with rasterio.open(path, "w", driver="GTiff", **profile) as dataset:
        dataset.write(pixels)
        dataset.descriptions = ["class", "b", "c"][:count]
        dataset.update_tags(CLASS_NAMES='["other", "w\\u00e4ter & <more>"]', TERRATORCH_RUN="x")
        if colors:
            dataset.write_colormap(1, colors)
    return FinishedMap(str(path), {"prediction": path})


def at(column, row, pixel=10.0):
    return from_origin(500_000 + pixel * column, 5_800_000 - pixel * row, pixel, pixel)


def mosaic(folder, *maps, prefix=""):
    products = Products(of_folder=[Mosaic(prefix)])
    for one in maps:
        products.take(one)
    products.close(folder)
    return products


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.profile


def classes(seed, shape=(20, 30)):
    return np.random.default_rng(seed).integers(0, 2, shape).astype(np.uint8)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_it_has_the_pixels_of_its_maps(tmp_path):
    one, two = classes(1), classes(2)
    two[:5] = 255  # nodata does not cover what lies beneath
    first = write(tmp_path / "a_pred.tif", one, at(100, 50))
    second = write(tmp_path / "b & b_pred.tif", two, at(90, 60))
    products = mosaic(tmp_path, first, second, prefix="run_")
    assert [path.name for path in products.written] == ["run_mosaic.vrt"]
    pixels, profile = read(tmp_path / "run_mosaic.vrt")
    expected = np.full((30, 40), 255, np.uint8)
    expected[:20, 10:] = one
    shown = two != 255
    expected[10:, :30][shown] = two[shown]
    assert np.array_equal(pixels[0], expected)
    assert profile["crs"] == UTM
    assert profile["transform"] == at(90, 50)
    assert profile["nodata"] == 255
    with rasterio.open(tmp_path / "run_mosaic.vrt") as dataset:
        assert dataset.colormap(1)[1] == COLORS[1]
        assert dataset.colormap(1)[255] == COLORS[255]
        assert dataset.descriptions == ("class",)
        assert dataset.tags()["CLASS_NAMES"] == '["other", "w\\u00e4ter & <more>"]'
        assert "TERRATORCH_RUN" not in dataset.tags()
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in ("a_pred.tif", "b & b_pred.tif", "run_mosaic.vrt"):
        (tmp_path / file).rename(moved / file)
    assert np.array_equal(read(moved / "run_mosaic.vrt")[0][0], expected)
    assert len(list(tmp_path.iterdir())) == 1


def test_values_of_several_bands_and_a_grid_that_is_turned(tmp_path):
    turned = Affine(8, 6, 500_000, 6, -8, 5_800_000)
    values = np.random.default_rng(0).random((2, 16, 24)).astype(np.float32)
    values[0, :3] = np.nan
    other = values + 1
    options = {"nodata": float("nan"), "colors": None}
    maps = [
        write(tmp_path / "a.tif", values, turned, **options),
        write(tmp_path / "b.tif", other, turned * Affine.translation(24, 0), **options),
    ]
    mosaic(tmp_path, *maps)
    pixels, profile = read(tmp_path / "mosaic.vrt")
    assert np.array_equal(pixels, np.concatenate([values, other], axis=2), equal_nan=True)
    assert np.isnan(profile["nodata"])
    assert profile["transform"].almost_equals(turned)


def test_maps_apart_have_a_mosaic_each_and_are_listed(tmp_path, caplog):
    other = rasterio.CRS.from_epsg(32634)
    maps = [
        write(tmp_path / "a.tif", classes(1), at(0, 0)),
        write(tmp_path / "b.tif", classes(2), at(0, 0), crs=other),
        write(tmp_path / "c.tif", classes(3), at(0, 0, pixel=20.0)),
        write(tmp_path / "d.tif", classes(4), at(0.5, 0)),
        write(tmp_path / "e.tif", classes(5), at(-30, 0)),
    ]
    with caplog.at_level(logging.WARNING):
        products = mosaic(tmp_path, *maps)
    assert [path.name for path in products.written] == [
        "mosaic_epsg32633.vrt",
        "mosaic_epsg32634.vrt",
        "mosaic_epsg32633_2.vrt",
        "mosaic_epsg32633_3.vrt",
    ]
    assert "mosaic_epsg32633.vrt: a.tif, e.tif" in caplog.text
    assert "mosaic_epsg32634.vrt: b.tif" in caplog.text
    assert np.array_equal(read(tmp_path / "mosaic_epsg32634.vrt")[0][0], classes(2))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_maps_that_lie_nowhere_are_left_out_and_told(tmp_path, caplog):
    nowhere = write(tmp_path / "n.tif", classes(1), crs=None)
    placed = write(tmp_path / "p.tif", classes(2), at(0, 0))
    assert not mosaic(tmp_path, nowhere, placed).failures
    assert "n.tif" in caplog.text
    assert np.array_equal(read(tmp_path / "mosaic.vrt")[0][0], classes(2))
    (tmp_path / "mosaic.vrt").unlink()
    products = mosaic(tmp_path, nowhere)
    (failure,) = products.failures.values()
    assert "none of the images has a CRS" in str(failure)
    assert {path.name for path in tmp_path.iterdir()} == {"n.tif", "p.tif"}


def test_a_run_without_maps_has_none(tmp_path):
    assert mosaic(tmp_path).written == []
