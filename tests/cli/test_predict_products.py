"""`terratorch predict`: what is made of finished maps."""

import json
import sys

import numpy as np
import pytest
import rasterio

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
    assert "Made 2 files from the maps (.gpkg)" in capsys.readouterr().out
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


def test_items_and_a_mosaic_of_all_maps(predict, scenes, tmp_path, capsys):
    maps = tmp_path / "maps"
    assert predict("--output_file_prefix", "run_") == 0
    options = ("--output_file_prefix", "run_", "--stac", "--mosaic")
    write_tif(scenes / "west.tif", np.ones((6, 32, 32), np.int16))
    assert predict(*options) == 0
    assert "Made 4 files from the maps (.json, .vrt)" in capsys.readouterr().out
    item = json.loads((maps / "run_north_pred.json").read_text())
    assert item["properties"]["terratorch:task"] == "SemanticSegmentationTask"
    (checkpoint,) = item["properties"]["terratorch:checkpoints"]
    assert checkpoint["name"] == "best.ckpt"
    assert len(checkpoint["sha256"]) == 64
    assert (maps / item["links"][0]["href"]).resolve() == scenes / "north.tif"
    text = (maps / "run_mosaic.vrt").read_text()
    assert all(f"run_{name}_pred.tif" in text for name in ("north", "south", "west"))
    assert predict(*options) == 0
    assert "Made 1 file from the maps (.vrt)" in capsys.readouterr().out


def test_further_layers_are_known_in_a_rerun_too(predict, tmp_path):
    geopandas = pytest.importorskip("geopandas")
    maps = tmp_path / "maps"
    outputs = ("--outputs", "classes", "logits", "probabilities")
    assert predict(*outputs, "--stac") == 0
    first = (maps / "north_pred.json").read_text()
    assert predict(*outputs, "--stac") == 0
    assert (maps / "north_pred.json").read_text() == first
    assert sorted(json.loads(first)["assets"]) == ["logits", "map", "probabilities"]
    assert predict(*outputs, "--vectorize", "parquet") == 0
    probability = geopandas.read_parquet(maps / "north_pred.parquet")["probability"]
    assert 0 < probability.min() <= probability.max() <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--vector_min_area", "5"), "vector_min_area: 5, but no polygons are written"),
        (("--vectorize", "gpkg", "--vector_simplify", "-1"), "vector_simplify: -1"),
        (("--vectorize", "gpkg", "--outputs", "logits"), "Add classes to --outputs"),
        (("--vectorize", "gpkg", "--out_dtype", "float32"), "polygons cannot be made from maps of"),
    ],
)
def test_what_cannot_be_made_is_told_before_anything_is_predicted(
    options, message, predict, tmp_path, capsys
):
    assert predict(*options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "maps").exists()


def test_a_missing_package_is_told_before_anything_is_predicted(
    predict, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "geopandas", None)
    assert predict("--vectorize", "gpkg") == 2
    said = capsys.readouterr().err
    assert "The package 'geopandas' is needed to write polygons" in said
    assert 'pip install "terratorch[vector]"' in said
    assert not (tmp_path / "maps").exists()


# Filters of warnings belong to the process: a thread may see those of another.
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_product_that_fails_is_listed_and_the_maps_are_there(predict, scenes, tmp_path, capsys):
    for file in scenes.iterdir():
        file.unlink()
    profile = {"count": 6, "height": 32, "width": 32, "dtype": "int16"}
    with rasterio.open(scenes / "n.tif", "w", driver="GTiff", **profile) as dataset:
        dataset.write(np.ones((6, 32, 32), np.int16))
    assert predict("--vectorize", "geojson", "--stac") == 3
    said = capsys.readouterr().err
    assert "1 file could not be made from the maps, which are complete:\n" in said
    assert "Use --vectorize gpkg or parquet" in said
    assert _names(tmp_path / "maps") == ["n_pred.json", "n_pred.tif"]
    assert predict("--vectorize", "geojson", "--strict") == 2
    assert _names(tmp_path / "maps") == ["n_pred.json", "n_pred.tif"]


def test_maps_of_values_have_no_polygons():
    from terratorch.contracts.outputs import Content, Raster, Table
    from terratorch.errors import ConfigurationError
    from terratorch.prediction.map_products import check_outputs
    from terratorch.prediction.options import PredictionOptions

    settings = PredictionOptions(vectorize="gpkg")
    with pytest.raises(ConfigurationError, match="a map of values has no classes"):
        check_outputs(settings, Raster, [Content.VALUES])
    with pytest.raises(ConfigurationError, match="as one table, and not as maps"):
        check_outputs(settings, Table, [Content.CLASSES])
