"""Scenes whose bands or dates lie in several files."""

import os
import zipfile

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint

from chip_files import write_tif
from terratorch.contracts.band_names import band_in
from terratorch.contracts.input_spec import ImageSpec, InputSpec
from terratorch.datasets.scenes.joined_scene import join_scene
from terratorch.datasets.scenes.prediction_dataset import PredictionDataset
from terratorch.datasets.scenes.scene_files import ModalityFiles
from terratorch.errors import ConfigurationError, DataError
from terratorch.geo.raster import georeferenced_or_not
from terratorch.geo.remote import parse_path
from terratorch.prediction.maps.writer import Georeference

BANDS = ["BLUE", "RED", "NIR_NARROW"]
RANDOM = np.random.default_rng(0)


def spec(bands=BANDS, **more):
    return InputSpec.create(dataset_bands=bands, **more)


def pixels(seed, size=(8, 6), dtype=np.int16):
    return np.random.default_rng(seed).integers(1, 900, size).astype(dtype)


def read(folder, chosen, target):
    path = join_scene(folder, chosen, target)
    return path, PredictionDataset([path], chosen)[0]


@pytest.mark.parametrize(
    ("name", "band"),
    [
        ("scene_RED", "RED"),
        ("scene_red_edge_1_v2", "RED_EDGE_1"),
        ("red-edge1", "RED_EDGE_1"),
        ("T33UUP_20200101T101021_B8A_20m", "NIR_NARROW"),
        ("b2", "BLUE"),
        ("LC08_L2SP_190026_20200101_SR_B5", "NIR_NARROW"),
        ("HLS.L30.T33UUP.2020001T100000.v2.0.B06", "SWIR_1"),
        ("HLS.S30.T33UUP.2020001T100000.v2.0.B11", "SWIR_1"),
        ("LE07_L2SP_190026_20200101_SR_B5", None),
        ("T33UUP_20200101T101021_TCI_10m", None),
        ("MSK_QUALIT_B02", None),
        ("INFRARED", None),
        ("RED_and_BLUE", None),
        ("slope_10m", "slope"),
    ],
)
def test_a_name_says_its_band(name, band):
    assert band_in(name, ["slope"]) == band


def test_bands_come_in_the_order_of_the_model(tmp_path):
    folder = tmp_path / "tile_1"
    arrays = {name: pixels(seed) for seed, name in enumerate(("B8A", "B02", "B04"))}
    for name, array in arrays.items():
        write_tif(folder / f"T33_{name}_10m.tif", array, nodata=0)
    path, sample = read(folder, spec(), tmp_path)
    assert path == tmp_path / "tile_1.vrt"
    expected = np.stack([arrays["B02"], arrays["B04"], arrays["B8A"]])
    assert np.array_equal(sample["image"].numpy(), expected)
    with rasterio.open(path) as dataset, rasterio.open(folder / "T33_B02_10m.tif") as band:
        assert dataset.descriptions == tuple(BANDS)
        assert (dataset.transform, dataset.crs, dataset.nodata) == (band.transform, band.crs, 0)


def test_only_what_the_model_needs_has_to_be_there(tmp_path):
    write_tif(tmp_path / "a" / "RED.tif", pixels(1))
    _, sample = read(tmp_path / "a", spec(output_bands=["RED"]), tmp_path)
    assert np.array_equal(sample["image"][0].numpy(), pixels(1))
    with pytest.raises(DataError, match=r"no file for the bands BLUE, NIR_NARROW\. There are: RED"):
        join_scene(tmp_path / "a", spec(), tmp_path)


def coarse(path, array, pixel=20):
    write_tif(path, array)
    with rasterio.open(path, "r+") as dataset:
        dataset.transform = rasterio.Affine(pixel, 0, 500_000, 0, -pixel, 5_500_000)
    return path


def test_coarser_bands_are_repeated_and_types_joined(tmp_path):
    folder = tmp_path / "GRANULE.SAFE"
    write_tif(folder / "R10m" / "x_B02_10m.tif", pixels(1, dtype=np.uint8))
    coarse(folder / "R20m" / "x_B02_20m.tif", pixels(9, (4, 3)))
    coarse(folder / "R20m" / "x_B04_20m.tif", pixels(2, (4, 3)))
    coarse(folder / "R20m" / "x_B8A_20m.tif", pixels(3, (4, 3), np.float32))
    (folder / "manifest.safe").write_text("text")
    path, sample = read(folder, spec(), tmp_path)
    assert path.name == "GRANULE.SAFE.vrt"
    doubled = [pixels(seed, (4, 3)).repeat(2, 0).repeat(2, 1) for seed in (2, 3)]
    assert np.array_equal(sample["image"].numpy(), [pixels(1, dtype=np.uint8), *doubled])


def test_several_bands_in_a_file_are_told_by_their_descriptions(tmp_path):
    file = write_tif(tmp_path / "s" / "visible.tif", np.stack([pixels(1), pixels(2)]))
    with rasterio.open(file, "r+") as dataset:
        dataset.descriptions = ("Red (B04)", "blue")
    write_tif(tmp_path / "s" / "own_slope.tif", pixels(3))
    _, sample = read(tmp_path / "s", spec(["BLUE", "slope"]), tmp_path)
    assert np.array_equal(sample["image"].numpy(), [pixels(2), pixels(3)])


@pytest.mark.parametrize("by_band", [True, False])
def test_dates_follow_the_names_of_files(by_band, tmp_path):
    dates = ("2020-01", "2020-05", "2020-09")
    arrays = np.stack([np.stack([pixels(10 * t + c) for c in range(3)]) for t in range(3)])
    for date, array in zip(dates, arrays, strict=True):
        if by_band:
            for name, band in zip(BANDS, array, strict=True):
                write_tif(tmp_path / "s" / f"{date}_{name}.tif", band)
        else:
            write_tif(tmp_path / "s" / f"{date}.tif", array)
    chosen = spec(expand_temporal_dimension=True)
    _, sample = read(tmp_path / "s", chosen, tmp_path)
    assert np.array_equal(sample["image"].numpy(), arrays.transpose(1, 0, 2, 3))
    (tmp_path / "s" / (f"{dates[0]}_RED.tif" if by_band else f"{dates[0]}.tif")).unlink()
    if by_band:
        message = "do not have the same dates: RED has none of 2020_01. Put a file for"
    else:
        write_tif(tmp_path / "s" / "2021.tif", pixels(1))
        message = "1 bands, but dataset_bands lists 3 for each date"
    with pytest.raises(DataError, match=message):
        join_scene(tmp_path / "s", chosen, tmp_path)


def write_dates(folder, names):
    """Write a file for each name, with a constant."""
    for name, value in names.items():
        write_tif(folder / f"{name}.tif", np.full((8, 6), value, np.int16))


def dates_of(folder, bands, target):
    chosen = spec(bands, expand_temporal_dimension=True)
    image = read(folder, chosen, target)[1]["image"]
    return image[:, :, 0, 0].int().tolist()


@pytest.mark.parametrize("name", ["s_{date}_{band}", "{date}/{band}", "{band}-{date}_v2"])
def test_bands_of_a_date_come_together_in_the_order_of_numbers(name, tmp_path):
    values = {("RED", 9): 1, ("RED", 10): 2, ("RED", 11): 3, ("BLUE", 9): 4, ("BLUE", 10): 5}
    values["BLUE", 11] = 6
    names = {name.format(band=band, date=date): value for (band, date), value in values.items()}
    write_dates(tmp_path / "s", names)
    assert dates_of(tmp_path / "s", ["RED", "BLUE"], tmp_path) == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            {"04_RED": 1, "05_RED": 2, "05_BLUE": 3, "06_BLUE": 4},
            "BLUE has none of 04; RED has none of 06|RED has none of 06; BLUE has none of 04",
        ),
        ({"04/b_RED": 1, "05/a_RED": 2, "04/a_BLUE": 3, "05/b_BLUE": 4}, "04_a, 05_b"),
    ],
)
def test_dates_that_bands_do_not_share_are_named(names, message, tmp_path):
    write_dates(tmp_path / "s", names)
    with pytest.raises(DataError, match=message):
        dates_of(tmp_path / "s", ["RED", "BLUE"], tmp_path)


def test_a_coarser_copy_of_a_band_is_no_date(tmp_path):
    coarse(tmp_path / "s" / "R20m" / "T_20200401_B04_20m.tif", np.full((4, 3), 60, np.int16))
    fine = {f"R10m/T_20200401_{band}_10m": value for band, value in (("B04", 20), ("B02", 30))}
    write_dates(tmp_path / "s", fine)
    assert dates_of(tmp_path / "s", ["RED", "BLUE"], tmp_path) == [[20], [30]]


def test_files_of_dates_are_taken_as_described(tmp_path):
    for date, value in (("2020", 1), ("2021", 3)):
        array = np.stack([np.full((8, 6), value + band, np.int16) for band in range(2)])
        with rasterio.open(write_tif(tmp_path / "s" / f"{date}.tif", array), "r+") as dataset:
            dataset.descriptions = ("BLUE", "RED")
    assert dates_of(tmp_path / "s", ["RED", "BLUE"], tmp_path) == [[2, 4], [1, 3]]


def test_turned_grids_keep_the_finest_pixels(tmp_path):
    for name, size, pixel in (("RED", 8, 10), ("BLUE", 4, 20)):
        file = write_tif(tmp_path / "s" / f"{name}.tif", pixels(1, (size, size)))
        with rasterio.open(file, "r+") as dataset:
            dataset.transform = rasterio.Affine(0, pixel, 500_000, pixel, 0, 5_500_000)
    path = join_scene(tmp_path / "s", spec(["RED", "BLUE"]), tmp_path)
    with rasterio.open(path) as dataset:
        assert dataset.shape == (8, 8)


def test_a_fourth_byte_is_a_band(tmp_path):
    profile = {"driver": "GTiff", "height": 8, "width": 6, "count": 4, "dtype": "uint8"}
    grid = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5.5e6)}
    bands = RANDOM.integers(0, 255, (4, 8, 6)).astype(np.uint8)
    (tmp_path / "s").mkdir()
    with rasterio.open(tmp_path / "s" / "rgbn.tif", "w", photometric="RGB", **profile, **grid) as d:
        d.write(bands)
        d.descriptions = ("RED", "GREEN", "BLUE", "NIR_NARROW")
    _, sample = read(tmp_path / "s", spec(["NIR_NARROW", "RED"]), tmp_path)
    assert np.array_equal(sample["image"].numpy(), bands[[3, 0]])


def pin(file, shift=0):
    points = [
        GroundControlPoint(row, column, 10 + column / 100 + shift, 50 - row / 100, 0)
        for row, column in ((0, 0), (0, 6), (8, 0), (8, 6))
    ]
    with georeferenced_or_not(), rasterio.open(file, "r+") as dataset:
        dataset.transform = rasterio.Affine.identity()
        dataset.gcps = (points, "EPSG:4326")
    return file


def test_ground_control_points_are_kept_where_files_share_them(tmp_path):
    for seed, name in enumerate(("VV", "VH")):
        pin(write_tif(tmp_path / "s" / f"{name}.tif", pixels(seed)))
    path = join_scene(tmp_path / "s", spec(["VV", "VH"]), tmp_path)
    points, crs = Georeference.of(path).gcps
    assert (len(points), crs.to_epsg(), points[3].x) == (4, 4326, 10.06)
    pin(tmp_path / "s" / "VH.tif", shift=1)
    with pytest.raises(DataError, match=r"control points or coefficients other than .*gdalwarp"):
        join_scene(tmp_path / "s", spec(["VV", "VH"]), tmp_path)


def test_files_in_archives_are_joined(tmp_path):
    with zipfile.ZipFile(tmp_path / "scene.zip", "w") as archive:
        for seed, name in enumerate(("VV", "VH")):
            archive.write(write_tif(tmp_path / f"{name}.tif", pixels(seed)), f"{name}.tif")
    files = {name: parse_path(f"/vsizip/{tmp_path}/scene.zip/{name}.tif") for name in ("VV", "VH")}
    chosen = InputSpec({name: ImageSpec() for name in files})
    path = join_scene(ModalityFiles("scene", files), chosen, tmp_path)
    image = PredictionDataset([path], chosen)[0]["image"]
    assert np.array_equal(image["VH"][0].numpy(), pixels(1))


def test_files_that_do_not_belong_together(tmp_path):
    folder = tmp_path / "s"
    for seed, name in enumerate(BANDS):
        write_tif(folder / f"{name}.tif", pixels(seed))
    write_tif(folder / "BLUE.tif", pixels(1, (9, 6)))
    with pytest.raises(DataError, match=r"RED\.tif: covers another area than .*BLUE\.tif: 500000"):
        join_scene(folder, spec(), tmp_path)
    write_tif(folder / "BLUE.tif", pixels(1))
    write_tif(folder / "old_BLUE.tif", pixels(1))
    with pytest.raises(DataError, match=r"2 files for the band BLUE: BLUE\.tif, old_BLUE\.tif"):
        join_scene(folder, spec(), tmp_path)
    write_tif(folder / "old_BLUE.tif", np.stack([pixels(1)] * 2))
    with pytest.raises(DataError, match=r"old_BLUE\.tif: 2 bands, but its name states BLUE"):
        join_scene(folder, spec(), tmp_path)
    with pytest.raises(ConfigurationError, match=r"dataset_bands: .* distinguished by the names"):
        join_scene(folder, spec([0, 1, 2]), tmp_path)


def test_it_is_as_old_as_its_files(tmp_path):
    files = [write_tif(tmp_path / "s" / f"{name}.tif", pixels(1)) for name in BANDS]
    for age, file in enumerate(files):
        os.utime(file, (1e9 - age, 1e9 - age))
    assert join_scene(tmp_path / "s", spec(), tmp_path).stat().st_mtime == 1e9
