"""Embeddings of patches and images: joined over tiles, as raster, tables and pictures."""

import geopandas
import numpy as np
import pyarrow.parquet
import pytest
import rasterio
import torch
from output_parts import SIZE, SPEC
from own_outputs import PATCH, Embedder

from chip_files import write_tif
from terratorch.contracts.outputs import PatchVectors
from terratorch.errors import ConfigurationError
from terratorch.prediction.options import PredictionOptions
from terratorch.prediction.outputs.vectors import (
    principal_components,
    read_patches,
    read_vectors,
)
from terratorch.prediction.run import predict

ROWS, COLUMNS = -(-SIZE[0] // PATCH), -(-SIZE[1] // PATCH)


@pytest.fixture
def pixels(tmp_path):
    values = np.random.default_rng(0).integers(0, 400, (2, *SIZE)).astype(np.int16)
    values[:, :12, :8] = -1
    return values


@pytest.fixture
def scene(tmp_path, pixels):
    return write_tif(tmp_path / "scenes/scene.tif", pixels, -1)


def options(folder, **changes):
    return PredictionOptions(predict_output_dir=str(folder), **changes)


def expected(pixels):
    """The vectors of the whole scene at once, padded as scenes are."""
    image = torch.from_numpy(np.where(pixels == -1, 0, pixels)).float()[None]
    image = SPEC.normalize(image)
    below, beside = ROWS * PATCH - SIZE[0], COLUMNS * PATCH - SIZE[1]
    image = torch.nn.functional.pad(image, (0, beside, 0, below), "reflect")
    with torch.no_grad():
        return Embedder()(image).output


@pytest.mark.parametrize("tiles", [{}, {"crop": 32, "stride": 24, "delta": 4}, {"crop": 16}])
def test_vectors_are_those_of_the_whole_scene(tiles, predictor, scene, pixels, tmp_path):
    report = predict(predictor("PatchTask"), [scene], options(tmp_path / "out", **tiles))
    (path,) = report.written
    vectors = read_patches(path)
    assert vectors.patch_size == PATCH
    values = vectors.values
    assert values.shape == (1, 6, ROWS, COLUMNS)
    assert values[0, :, :3, :2].isnan().all()
    inner = (slice(None), slice(None), slice(3, ROWS - 1), slice(2, COLUMNS - 1))
    torch.testing.assert_close(values[inner], expected(pixels)[inner], rtol=1e-4, atol=1e-4)
    with rasterio.open(path) as dataset, rasterio.open(scene) as image:
        assert dataset.crs == image.crs
        assert dataset.transform == image.transform @ rasterio.Affine.scale(PATCH)
        assert dataset.descriptions[:2] == ("vector_0", "vector_1")


def test_a_table_has_a_row_for_each_patch(predictor, scene, tmp_path):
    chosen = options(tmp_path, format="parquet", crop=32, stride=24)
    report = predict(predictor("PatchTask"), [scene], chosen)
    raster = read_patches(report.written[0]).values[0].numpy()
    table = geopandas.read_parquet(tmp_path / "scene_pred.parquet")
    assert len(table) == ROWS * COLUMNS - 6
    row = table[(table.row == 5) & (table.column == 7)].iloc[0]
    assert np.allclose(row.vector, raster[:, 5, 7])
    with rasterio.open(scene) as dataset:
        assert table.crs == dataset.crs.to_wkt()
        left, top = dataset.transform @ (7 * PATCH, 5 * PATCH)
        right, bottom = dataset.transform @ (8 * PATCH, 6 * PATCH)
    assert row.geometry.bounds == (left, bottom, right, top)
    (tmp_path / "scene_pred.parquet").unlink()  # as after a kill between the two files
    again = predict(predictor("PatchTask"), [scene], chosen)
    assert again.skipped == [scene]
    assert len(geopandas.read_parquet(tmp_path / "scene_pred.parquet")) == len(table)


def test_a_run_resumes_where_another_was_interrupted(predictor, tmp_path, monkeypatch):
    from terratorch.prediction.maps import writer
    from terratorch.prediction.outputs import raster

    monkeypatch.setattr(raster, "SECONDS_BETWEEN_SAVES", 0.0)
    monkeypatch.setattr(writer, "_BLOCK", 16)
    monkeypatch.setattr(writer, "_SMALL_BLOCK", 16)
    tall = np.random.default_rng(0).integers(0, 400, (2, 400, 64)).astype(np.int16)
    scene = write_tif(tmp_path / "scene.tif", tall, -1)
    chosen = {"crop": 32, "stride": 24, "delta": 4, "batch_size": 2}
    (whole,) = predict(predictor("PatchTask"), [scene], options(tmp_path / "a", **chosen)).written
    model, calls = predictor("PatchTask"), []
    forward = model.model.forward

    def interrupted(image):
        calls.append(image)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return forward(image)

    model.model.forward = interrupted
    with pytest.raises(KeyboardInterrupt):
        predict(model, [scene], options(tmp_path / "b", **chosen))
    calls.clear()
    (resumed,) = predict(model, [scene], options(tmp_path / "b", **chosen)).written
    assert len(calls) < 15
    assert torch.equal(read_patches(resumed).values, read_patches(whole).values)


def test_an_area_is_told_by_the_centres_of_patches(predictor, scene, tmp_path):
    with rasterio.open(scene) as dataset:
        left, top = dataset.transform @ (40, 40)
        right, bottom = dataset.transform @ (80, 80)
    area = f"{left},{bottom},{right},{top}"
    chosen = options(tmp_path, area=area, area_crs="EPSG:32633", crop=16)
    (path,) = predict(predictor("PatchTask"), [scene], chosen).written
    inside = read_patches(path).values[0, 0].isfinite()
    assert inside.sum() == 100
    assert inside[10:20, 10:20].all()


def test_tiles_hold_whole_patches(predictor, scene, tmp_path):
    with pytest.raises(ConfigurationError, match="crop: 30 is not a multiple of the patch size 4"):
        predict(predictor("PatchTask"), [scene], options(tmp_path, crop=30))


def test_python_gives_vectors(predictor, scene):
    (prediction,) = predictor("PatchTask").predict_in_memory([scene])
    assert isinstance(prediction.main, PatchVectors)
    assert prediction.main.values.shape == (1, 6, ROWS, COLUMNS)


def test_vectors_of_images_are_one_table(predictor, pixels, tmp_path):
    chips = [write_tif(tmp_path / f"chips/{name}.tif", pixels, -1) for name in "abc"]
    (path,) = predict(predictor("ImageTask"), chips, options(tmp_path / "out")).written
    assert path == tmp_path / "out/vectors.parquet"
    table = pyarrow.parquet.read_table(path)
    assert table["filename"].to_pylist() == [str(chip) for chip in chips]
    assert read_vectors(path).values.shape == (3, 6)
    assert path.with_suffix(".png").is_file()


def test_components_are_those_of_a_decomposition():
    torch.manual_seed(0)
    vectors = torch.randn(50, 1) @ torch.randn(1, 8) + 0.01 * torch.randn(50, 8)
    vectors[3] = torch.nan
    components, shares = principal_components(vectors)
    assert shares[0] > 0.99
    assert components[3].isnan().all()
    assert components[torch.arange(50) != 3].isfinite().all()
    few, _ = principal_components(torch.randn(5, 2))
    assert (few[:, 2] == 0).all()
