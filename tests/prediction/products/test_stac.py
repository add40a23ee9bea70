"""STAC items: what the specification requires, and where and when an image is."""

import hashlib
import itertools
import json
import os
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine, from_origin

from terratorch.geo.acquisition import acquired, date_in_name, parse_time
from terratorch.prediction.products.products import FinishedMap, Products
from terratorch.prediction.products.stac import Provenance, StacItem

UTM = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_800_000, 10, 10)}
NAMES = ["no water", "Wälder"]


def write(path, place=UTM, height=30, width=40, count=1, tags=None, **profile):
    profile = {"count": count, "height": height, "width": width, **place, **profile}
    profile = {"dtype": "uint8", "nodata": 255, "driver": "GTiff", **profile}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.zeros((count, height, width), profile["dtype"]))
        dataset.update_tags(**(tags or {}))
    return path


def write_map(path, image, place=UTM):
    write(path, place, tags={"CLASS_NAMES": json.dumps(NAMES), "TERRATORCH_RUN": "abc"})
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = ["class"]
        dataset.write_colormap(1, {0: (1, 2, 3, 255), 1: (31, 95, 191, 255), 255: (0, 0, 0, 0)})
    return FinishedMap(str(image), {"prediction": path})


def item_of(finished, provenance=None):
    products = Products(of_maps=[StacItem(provenance or Provenance())], strict=True)
    products.take(finished)
    return json.loads(StacItem(Provenance()).path_of(finished).read_text(encoding="utf-8"))


def is_counter_clockwise(ring):
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(ring)) > 0


@pytest.fixture
def finished(tmp_path):
    image = write(tmp_path / "scenes" / "S2 20190131T102401.tif", count=3)
    return write_map(tmp_path / "maps" / "S2 20190131T102401_pred.tif", image)


def test_an_item_has_what_the_specification_requires(finished):
    item = item_of(finished)
    assert item["type"] == "Feature"
    assert item["stac_version"] == "1.1.0"
    assert all(url.endswith("/schema.json") for url in item["stac_extensions"])
    assert item["id"] == "S2 20190131T102401_pred"
    assert item["properties"]["datetime"] == "2019-01-31T10:24:01Z"
    assert item["properties"]["terratorch:datetime_source"] == "name of the image"
    assert item["properties"]["terratorch:run"] == "abc"
    west, south, east, north = item["bbox"]
    assert west == pytest.approx(15, abs=1e-6)
    assert west < east < 15.01
    assert 52.3 < south < north < 52.4
    (ring,) = item["geometry"]["coordinates"]
    assert ring[0] == ring[-1]
    assert is_counter_clockwise(ring)
    assert all({"href", "type", "roles"} <= set(asset) for asset in item["assets"].values())
    assert all({"rel", "href"} <= set(link) for link in item["links"])


def test_it_says_where_the_pixels_lie_and_what_they_mean(finished):
    item = item_of(finished)
    assert item["properties"]["proj:code"] == "EPSG:32633"
    assert item["properties"]["proj:shape"] == [30, 40]
    assert item["properties"]["proj:transform"] == [10, 0, 500_000, 0, -10, 5_800_000]
    (band,) = item["assets"]["map"]["bands"]
    assert (band["name"], band["data_type"], band["nodata"]) == ("class", "uint8", 255)
    assert band["classification:classes"] == [
        {"value": 0, "name": "no_water", "title": "no water", "color_hint": "010203"},
        {"value": 1, "name": "W_lder", "title": "Wälder", "color_hint": "1F5FBF"},
    ]


def test_it_leads_to_the_image_and_to_what_was_made_of_the_map(finished, tmp_path):
    folder = finished.path.parent
    old = folder / f"{finished.path.stem}.parquet"  # of a map that was here before
    old.write_text("")
    os.utime(old, (0, 0))
    for suffix in (".gpkg", ".png"):
        folder.joinpath(f"{finished.path.stem}{suffix}").write_text("")
    item = item_of(finished)
    assert item["links"][0]["rel"] == "derived_from"
    assert item["links"][0]["href"] == "../scenes/S2%2020190131T102401.tif"
    hrefs = {key: asset["href"] for key, asset in item["assets"].items()}
    stem = "S2%2020190131T102401_pred"
    assert hrefs == {"map": f"{stem}.tif", "gpkg": f"{stem}.gpkg", "thumbnail": f"{stem}.png"}


def test_it_says_how_the_map_was_made(finished, tmp_path):
    checkpoint = tmp_path / "best.ckpt"
    checkpoint.write_bytes(b"weights")
    item = item_of(finished, Provenance("SemanticSegmentationTask", "tiny", (checkpoint,)))
    properties = item["properties"]
    assert set(properties["processing:software"]) == {"terratorch"}
    assert properties["terratorch:task"] == "SemanticSegmentationTask"
    assert properties["terratorch:model"] == "tiny"
    digest = hashlib.sha256(b"weights").hexdigest()
    assert properties["terratorch:checkpoints"] == [{"name": "best.ckpt", "sha256": digest}]


def test_it_is_written_again_only_where_it_would_say_something_else(finished):
    def made(**options) -> int:
        products = Products(of_maps=[StacItem(Provenance(**options))])
        products.take(finished)
        return len(products.written)

    assert [made(), made(), made(model="tiny"), made(model="tiny")] == [1, 0, 1, 0]
    finished.path.with_suffix(".gpkg").write_text("")
    assert made(model="tiny") == 1
    finished.path.with_suffix(".json").write_text("{")
    assert made(model="tiny") == 1


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_map_that_lies_nowhere_has_no_geometry(tmp_path):
    item = item_of(write_map(tmp_path / "a_pred.tif", tmp_path / "gone.tif", place={}))
    assert item["geometry"] is None
    assert "bbox" not in item
    assert item["properties"]["proj:code"] is None
    source = item["properties"]["terratorch:datetime_source"]
    assert source == "modification time of the map: the acquisition is not known"


def test_a_footprint_across_the_antimeridian_is_cut(tmp_path):
    place = {"crs": "EPSG:32660", "transform": from_origin(800_000, 100_000, 2000, 2000)}
    item = item_of(write_map(tmp_path / "a_pred.tif", tmp_path / "gone.tif", place))
    west, _, east, _ = item["bbox"]
    assert west > 179 > -179 > east
    assert item["geometry"]["type"] == "MultiPolygon"


def test_rows_that_run_upwards_are_wound_alike(tmp_path):
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, 10, 5_800_000)}
    item = item_of(write_map(tmp_path / "a_pred.tif", tmp_path / "gone.tif", place))
    (ring,) = item["geometry"]["coordinates"]
    assert is_counter_clockwise(ring)
    assert item["bbox"][1] < item["bbox"][3]


@pytest.mark.parametrize(
    ("west", "bbox", "parts"),
    [(179, [179, 0, -178, 2], 2), (190, [-170, 0, -167, 2], 1), (-182, [178, 0, -179, 2], 2)],
)
def test_degrees_beyond_180_come_round(west, bbox, parts, tmp_path):
    place = {"crs": "EPSG:4326", "transform": Affine(0.075, 0, west, 0, 2 / 30, 0)}
    item = item_of(write_map(tmp_path / "a_pred.tif", tmp_path / "gone.tif", place))
    assert item["bbox"] == pytest.approx(bbox)
    assert item["geometry"]["type"] == ("MultiPolygon" if parts == 2 else "Polygon")
    polygons = item["geometry"]["coordinates"]
    for (ring,) in polygons if parts == 2 else [polygons]:
        assert is_counter_clockwise(ring)
        assert all(abs(longitude) <= 180 for longitude, _ in ring)


def test_pixels_around_the_pole_end_there(tmp_path):
    place = {"crs": "EPSG:4326", "transform": Affine(0.25, 0, 10, 0, -0.25, 90.125)}
    item = item_of(write_map(tmp_path / "a_pred.tif", tmp_path / "gone.tif", place))
    assert item["bbox"][3] == 90
    (ring,) = item["geometry"]["coordinates"]
    assert max(latitude for _, latitude in ring) == 90


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("S2A_MSIL2A_20190131T102401_T32UQD", datetime(2019, 1, 31, 10, 24, 1, tzinfo=UTC)),
        ("S2A_20190131T102401_N0211_20190131T130000", datetime(2019, 1, 31, 10, 24, 1, tzinfo=UTC)),
        ("LC08_L2SP_044034_20200101_20200823_02_T1", None),  # taken, and processed
        ("HLS.S30.T10SEH.2018190.v1.4", datetime(2018, 7, 9, tzinfo=UTC)),
        ("field_2021-06-05_north", datetime(2021, 6, 5, tzinfo=UTC)),
        ("field_20210631", None),
        ("field_2019366", None),
        ("tile_0120190131", None),
        ("north", None),
    ],
)
def test_a_date_in_a_name(name, expected):
    assert date_in_name(name) == expected


def test_times_of_tags():
    assert parse_time("2019:01:31 10:24:01") == datetime(2019, 1, 31, 10, 24, 1, tzinfo=UTC)
    assert parse_time("2019-01-31T10:24:01+02:00") == datetime(2019, 1, 31, 8, 24, 1, tzinfo=UTC)
    assert parse_time("last summer") is None


def test_the_time_of_acquisition_is_the_surest_that_there_is(tmp_path):
    written = {"TIFFTAG_DATETIME": "2024:05:06 07:08:09"}
    both = {**written, "ACQUISITION_DATE": "2020-02-03"}
    map_path = write(tmp_path / "map.tif")
    cases = {
        "a_20190131": (both, "tag ACQUISITION_DATE of the image", 2020),
        "b_20190131": (written, "name of the image", 2019),
        "c": (written, "tag TIFFTAG_DATETIME of the image", 2024),
    }
    for name, (tags, source, year) in cases.items():
        image = write(tmp_path / f"{name}.tif", tags=tags)
        found = acquired(str(image), map_path)
        assert (found.when.year, found.source) == (year, source)
    image = write(tmp_path / "d.tif")
    os.utime(image, (86_400, 86_400))
    found = acquired(str(image), map_path)
    assert found.when == datetime(1970, 1, 2, tzinfo=UTC)
    assert found.source == "modification time of the image: the acquisition is not known"
