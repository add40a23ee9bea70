"""Maps and scenes are read and painted as people look at them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from grids import LOCAL, MARS
from terratorch.colors import NODATA_COLOR, VIRIDIS, color_ramp
from terratorch.drawing.maps import legend, paint, read_image, read_map
from terratorch.errors import ConfigurationError, DataError

METRES = {"crs": "EPSG:32633", "transform": Affine(10, 0, 330000, 0, -10, 5822040)}


def write(path, pixels, colormap=None, tags=None, **profile):
    bands, height, width = pixels.shape
    shape = {"count": bands, "height": height, "width": width, "dtype": pixels.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", **shape, **METRES, **profile) as dataset:
        dataset.write(pixels)
        dataset.update_tags(**(tags or {}))
        if colormap:
            dataset.write_colormap(1, colormap)
    return path


@pytest.mark.parametrize(
    ("place", "metres"),
    [
        (METRES, 10),
        ({"crs": "EPSG:32633", "transform": Affine(0, 10, 330000, 10, 0, 5822040)}, 10),
        ({"crs": "EPSG:32633", "transform": Affine(6, 8, 330000, 8, -6, 5822040)}, 10),
        ({"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 12.5, 0, -1e-4, 60.001)}, 5.566),
        ({"transform": METRES["transform"]}, None),
        # Twice as long on a map by Mercator as on the ground, at 60 degrees.
        ({"crs": "EPSG:3857", "transform": Affine(10, 0, 0, 0, -10, 8399837.9)}, 5),
        ({"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 179.9975, 0, -1e-4, 60.001)}, 5.566),
        ({"crs": MARS, "transform": Affine(10, 0, 0, 0, -10, 0)}, 10),
        ({"crs": LOCAL, "transform": Affine(10, 0, 0, 0, -10, 0)}, None),
    ],
)
def test_the_size_of_a_pixel_is_known_where_a_map_lies_somewhere(tmp_path, place, metres):
    path = tmp_path / "map.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=20, width=50, count=1, dtype="uint8", **place
    ) as dataset:
        dataset.write(np.zeros((1, 20, 50), np.uint8))
    found = read_map(path).metres_per_pixel
    assert found == (metres if metres is None else pytest.approx(metres, rel=1e-3))


def test_classes_without_names_are_numbered(tmp_path):
    drawn = read_map(write(tmp_path / "map.tif", np.array([[[0, 3, 3, 255]]], "uint8"), nodata=255))
    assert [text for _, text in legend(drawn)] == ["class 0  33 %", "class 3  67 %", "no data"]
    assert paint(drawn)[0, 3].tolist() == list(NODATA_COLOR)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_ids_without_a_class_are_painted_as_no_data(tmp_path, dtype):
    labels = read_map(write(tmp_path / "labels.tif", np.array([[[-1, 0, 1, 1, 2]]], dtype)))
    drawn = replace(labels, class_names=["a", "b"], colors=[(1, 2, 3), (4, 5, 6)])
    none = list(NODATA_COLOR)
    assert paint(drawn)[0].tolist() == [none, [1, 2, 3], [4, 5, 6], [4, 5, 6], none]
    assert [text for _, text in legend(drawn)] == ["a  33 %", "b  67 %", "no data"]


def test_the_colours_of_a_file_win(tmp_path):
    tags = {"CLASS_NAMES": json.dumps(["water", "forest"])}
    table = {0: (1, 2, 3, 255), 1: (4, 5, 6, 255)}
    path = write(tmp_path / "map.tif", np.array([[[0, 1]]], "uint8"), table, tags)
    assert paint(read_map(path)).tolist() == [[[1, 2, 3], [4, 5, 6]]]


def test_scaled_bytes_are_values(tmp_path):
    path = write(tmp_path / "map.tif", np.array([[[0, 125, 250, 255]]], "uint8"), nodata=255)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = (0.004,)
    drawn = read_map(path)
    assert drawn.class_names is None
    assert drawn.pixels[0, :3] == pytest.approx([0, 0.5, 1])
    assert drawn.hidden.tolist() == [[False, False, False, True]]


def test_the_ends_of_a_scale_have_its_ends(tmp_path):
    pixels = np.array([[[0, 1, np.nan]]], "float32")
    painted = paint(read_map(write(tmp_path / "map.tif", pixels)), (0, 1))
    assert painted[0].tolist() == [list(VIRIDIS[0]), list(VIRIDIS[-1]), list(NODATA_COLOR)]


def test_a_ramp_keeps_its_stops():
    assert color_ramp([(0, 0, 0), (10, 20, 40), (0, 0, 0)], 5)[1:3] == [(5, 10, 20), (10, 20, 40)]


def test_a_scene_is_stretched_and_its_nodata_white(tmp_path):
    pixels = np.linspace(100, 900, 3 * 50, dtype="float32").reshape(3, 5, 10)
    pixels[:, 0, 0] = -1
    painted = read_image(write(tmp_path / "scene.tif", pixels, nodata=-1))
    assert painted[0, 0].tolist() == [255, 255, 255]
    assert painted[-1, -1].tolist() == [255, 255, 255]
    assert painted[0, 1].tolist() == [0, 0, 0]


def test_a_band_that_is_not_there_is_named(tmp_path):
    path = write(tmp_path / "map.tif", np.zeros((2, 1, 1), "float32"))
    with pytest.raises(ConfigurationError, match=r"band: .*map\.tif has 2 bands, and no band 3"):
        read_map(path, band=3)


def test_complex_numbers_are_not_cut_to_real_ones(tmp_path):
    path = write(tmp_path / "radar.tif", np.full((1, 2, 2), 1 + 1j, "complex64"))
    for read in (read_map, read_image):
        with pytest.raises(DataError, match=r"radar\.tif: its pixels are complex numbers \(compl"):
            read(path)


def test_names_that_are_no_list_are_named(tmp_path):
    tags = {"CLASS_NAMES": "forest, water"}
    path = write(tmp_path / "map.tif", np.zeros((1, 1, 1), "uint8"), tags=tags)
    with pytest.raises(DataError, match="CLASS_NAMES is not a JSON list of names: forest, water"):
        read_map(path)
