"""`terratorch predict`: what is made of finished maps."""

import numpy as np
import pytest

from chip_files import write_tif
from terratorch.cli.main import main


@pytest.fixture
def scenes(tmp_path):
    """A folder of two scenes."""
    folder = tmp_path / "scenes"
    random = np.random.default_rng(1)
    for name in ("north", "south"):
        write_tif(folder / f"{name}.tif", random.integers(0, 3000, (6, 32, 32)).astype(np.int16))
    return folder


@pytest.fixture
def predict(fitted, scenes, tmp_path):
    """Predict the scenes without pictures."""

    def run(*options, folder="maps") -> int:
        given = ["--ckpt_path", fitted / "checkpoints" / "best.ckpt", "--predict_data", scenes]
        given += ["--predict_output_dir", tmp_path / folder, "--no_quicklook", *options]
        return main(["predict", *map(str, given)])

    return run


def _names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_polygons_beside_maps_and_again_from_complete_ones(predict, tmp_path, capsys):
    geopandas = pytest.importorskip("geopandas")
    maps = tmp_path / "maps"
    assert predict() == 0
    assert predict("--vectorize", "gpkg", "--vector_min_area", "500") == 0
    assert "2 files made of maps (.gpkg)" in capsys.readouterr().out
    assert _names(maps) == [
        "north_pred.gpkg",
        "north_pred.tif",
        "south_pred.gpkg",
        "south_pred.tif",
    ]
    frame = geopandas.read_file(maps / "north_pred.gpkg")
    assert frame["area_m2"].min() >= 500
    assert predict("--vectorize", "gpkg", folder="at_once") == 0
    assert _names(tmp_path / "at_once") == _names(maps)
