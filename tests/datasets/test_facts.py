"""Facts of image files: dates, places and pixel sizes."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import Affine, from_origin

from chip_files import write_tif
from terratorch.contracts.input_spec import ImageSpec, InputSpec
from terratorch.datasets.facts import FileFacts, GivenFacts, read_given_facts
from terratorch.datasets.scenes.joined_scene import join_scene
from terratorch.datasets.scenes.prediction_dataset import PredictionDataset
from terratorch.errors import ConfigurationError
from terratorch.geo.acquisition import date_in_name


def facts_of(path, steps=(1,), given=None):
    with rasterio.open(path) as dataset:
        return FileFacts.of(path, dataset, steps, given)


def write_at(path, crs, transform, size=(10, 20)):
    profile = {"driver": "GTiff", "count": 1, "height": size[0], "width": size[1], "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, crs=crs, transform=transform) as dataset:
        dataset.write(np.ones((1, *size), np.uint8))
    return path


def test_the_place_is_the_centre_of_a_window_latitude_first(tmp_path):
    path = write_at(tmp_path / "a.tif", "EPSG:4326", from_origin(10, 50, 0.1, 0.1))
    facts = facts_of(path)
    assert facts.of_file()["location_coords"].tolist() == pytest.approx([49.5, 11])
    assert facts.of_window(0, 0, 2, 4)["location_coords"].tolist() == pytest.approx([49.9, 10.2])
    assert facts.of_file()["bounds"].tolist() == pytest.approx([10, 49, 12, 50])
    assert facts.of_file()["location_coords"].dtype == torch.float32


def test_pixels_have_a_size_in_metres(tmp_path):
    path = write_tif(tmp_path / "a.tif", np.ones((1, 8, 8), np.uint8))
    assert facts_of(path).of_file()["gsd"].item() == pytest.approx(10)
    feet = write_at(tmp_path / "b.tif", "EPSG:2263", Affine(10, 0, 980_000, 0, -10, 200_000))
    assert facts_of(feet).of_file()["gsd"].item() == pytest.approx(3.048, rel=1e-3)
    degrees = write_at(tmp_path / "c.tif", "EPSG:4326", from_origin(10, 60.05, 0.01, 0.01))
    assert facts_of(degrees).of_file()["gsd"].item() == pytest.approx(1113.2 * 0.5**0.5, rel=1e-3)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_is_not_known_is_nan(tmp_path):
    path = write_at(tmp_path / "a.tif", None, Affine.identity())
    facts = facts_of(path)
    assert facts.date_source == ""
    known = facts.of_file()
    assert known.pop("crs") == ""
    assert all(torch.isnan(value).all() for value in known.values())


def test_the_dates_of_several_steps_in_a_name(tmp_path):
    path = write_tif(tmp_path / "a_20200101_20200301.tif", np.ones((4, 8, 8), np.uint8))
    assert facts_of(path, (1, 3)).dates.tolist() == [[2020, 0], [2020, 60]]
    assert torch.isnan(facts_of(path, (1, 2, 3)).dates).all()
    assert torch.isnan(facts_of(path).dates).all()  # which of them is not known


def test_the_dates_of_files_that_are_joined(tmp_path):
    bands = ["RED", "BLUE"]
    for date in ("20200101", "20200301"):
        for band in bands:
            path = tmp_path / "scene" / f"T33_{date}_{band}.tif"
            write_tif(path, np.ones((1, 8, 8), np.uint8))
    spec = InputSpec.create(dataset_bands=bands, expand_temporal_dimension=True)
    sample = PredictionDataset([join_scene(tmp_path / "scene", spec, tmp_path)], spec)[0]
    assert sample["temporal_coords"].tolist() == [[2020, 0], [2020, 60]]
    single = InputSpec.create(dataset_bands=bands)
    for path in (tmp_path / "scene").glob("*0301*"):
        path.unlink()
    sample = PredictionDataset([join_scene(tmp_path / "scene", single, tmp_path)], single)[0]
    assert sample["temporal_coords"].tolist() == [[2020, 0]]


def test_steps_of_each_layout():
    time_major = ImageSpec.create(dataset_bands=["A", "B"], expand_temporal_dimension=True)
    assert time_major.selection.steps(6) == (1, 3, 5)
    band_major = ImageSpec.create(
        dataset_bands=["A", "B"], expand_temporal_dimension=True, temporal_channel_major=True
    )
    assert band_major.selection.steps(6) == (1, 2, 3)
    assert ImageSpec().selection.steps(6) == (1,)


@pytest.mark.parametrize("name", ["scene.json", "scene_stac.json"])
def test_a_stac_item_beside_the_file(name, tmp_path):
    path = write_tif(tmp_path / "scene.tif", np.ones((1, 8, 8), np.uint8))
    (tmp_path / "scene_stac.json").write_text("[]")
    item = {
        "stac_version": "1.1.0",
        "properties": {"datetime": None, "start_datetime": "2020-02-01"},
    }
    (tmp_path / name).write_text(json.dumps(item))
    facts = facts_of(path)
    assert facts.dates.tolist() == [[2020, 31]]
    assert facts.date_source == f"STAC item {name}"


def test_what_the_user_gives_comes_first(tmp_path):
    path = write_tif(tmp_path / "a_20200101.tif", np.ones((1, 8, 8), np.uint8))
    given = read_given_facts(["2021-03-01T12:00"], "-33.9, 18.4")
    assert given == GivenFacts((datetime(2021, 3, 1, 12, tzinfo=UTC),), (-33.9, 18.4))
    facts = facts_of(path, given=given)
    assert facts.dates.tolist() == [[2021, 59]]
    assert facts.of_window(2, 2, 2, 2)["location_coords"].tolist() == pytest.approx([-33.9, 18.4])
    with pytest.raises(ConfigurationError, match=r"date: 1 dates, but .*\.tif has 2 time steps"):
        facts_of(path, (1, 2), given)


def test_no_date_is_made_up():
    assert date_in_name("a_20200101_20200301") is None
