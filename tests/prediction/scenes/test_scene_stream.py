"""Scenes that stream from files to maps come out as with the tensor function."""

import os
import shutil

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import torch

from chip_files import write_tif
from scene_parts import Here, tiles
from terratorch.contracts.input_spec import InputSpec
from terratorch.contracts.prediction import Prediction
from terratorch.datasets.scenes.prediction_dataset import PredictionDataset
from terratorch.datasets.scenes.scene_reader import SceneReader
from terratorch.errors import DataError, NotANumberError, TerraTorchError
from terratorch.geo.partial_file import create
from terratorch.geo.raster import open_for_long
from terratorch.prediction.outputs.folder import PredictionFolder
from terratorch.prediction.products.mosaic import Mosaic
from terratorch.prediction.products.products import Products
from terratorch.prediction.products.quicklook import QuicklookProduct
from terratorch.prediction.report import PredictionReport
from terratorch.prediction.scenes import scenes as scenes_module
from terratorch.prediction.scenes.planned_scene import ScenePredictor
from terratorch.prediction.scenes.progress import TileProgress
from terratorch.prediction.scenes.scenes import predict_scenes
from terratorch.prediction.scenes.strip import StripSource
from terratorch.prediction.spread.distributed import SpreadGroup
from terratorch.tasks.tiled_inference import tiled_inference
from terratorch.tiles import tiling

SPEC = InputSpec.create(means=[100.0, 200.0], stds=[50.0, 60.0], constant_scale=0.5)


@pytest.fixture(autouse=True)
def small_reads(monkeypatch):
    """Read few rows at a time, as from large files."""
    monkeypatch.setattr("terratorch.prediction.scenes.strip._LEAST_ROWS", 4)
    monkeypatch.setattr("terratorch.prediction.scenes.strip._MOST_ROWS", 16)
    monkeypatch.setattr("terratorch.prediction.outputs.raster._ROWS", 5)


def model(tiles, _extras=None):
    """Scores that depend on the neighbours, so that the padding counts."""
    blurred = torch.nn.functional.avg_pool2d(tiles.flatten(1, -3), 3, 1, 1)
    return torch.cat([tiles.flatten(1, -3), blurred], 1)


def decide(scores, filename):
    layers = {"prediction": scores.argmax(1), "logits": scores}
    return Prediction.of_tensors(layers, [filename])


def predictor(spec=SPEC, **changes):
    parts = {
        "open_reader": lambda path: SceneReader(path, spec),
        "forward": model,
        "decide": decide,
        "device": torch.device("cpu"),
    }
    return ScenePredictor(**parts | changes)


def scene(folder, name="scene", size=(40, 31), bands=2, dtype=np.int16, nodata=-1):
    random = np.random.default_rng(len(name) + sum(size))
    pixels = random.integers(0, 500, (bands, *size)).astype(dtype)
    pixels[:, 5:9, 3:20] = nodata
    pixels[0, size[0] // 2, size[1] // 2] = nodata
    return write_tif(folder / f"{name}.tif", pixels, nodata)


def run(paths, folder, chosen, **options):
    with PredictionFolder(folder) as maps:
        return predict_scenes(paths, chosen, maps, progress=False, **options)


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def expected(path, spec, parameters):
    """The layers of the whole image in memory."""
    sample = PredictionDataset([path], spec)[0]
    image = spec.normalize(sample["image"][None])
    if parameters is None:
        scores = model(image)
    else:
        scores = tiled_inference(model, image, inference_parameters=parameters)
    classes = scores.argmax(1)[0].numpy().astype(np.uint8)
    classes[~sample["valid"].numpy()] = 255
    logits = scores[0].numpy()
    logits[:, ~sample["valid"].numpy()] = np.nan
    return classes, logits


def check(path, folder, spec, parameters):
    classes, logits = expected(path, spec, parameters)
    assert np.array_equal(read(folder / f"{path.stem}_pred.tif")[0], classes)
    assert np.array_equal(read(folder / f"{path.stem}_pred_logits.tif"), logits, equal_nan=True)


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        tiles(),
        tiles(8, 8, 0),
        tiles(16, 5, 3, average_patches=False),
        tiles(64, 48, 4),
        tiles(36, 20, 2),
        tiles(blend_overlaps=False, padding="constant"),
        tiles(padding="replicate"),
        tiles(padding="circular"),
        tiles(delta=0, padding=False),
        tiles(20, 11, 2, padding=False),
        tiles(h_crop=20, h_stride=15, batch_size=1),
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [(40, 31), (7, 70)], ids=str)
def test_a_map_is_that_of_the_tensor_function(parameters, size, tmp_path):
    path = scene(tmp_path, size=size)
    report = run([path], tmp_path / "maps", predictor(tiles=parameters))
    check(path, tmp_path / "maps", SPEC, parameters)
    assert report.pixels == size[0] * size[1]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("replace", [None, 7])
def test_any_dtype_and_gap_is_read_as_in_memory(dtype, replace, tmp_path):
    spec = InputSpec.create(
        means=[10.0, 20.0], stds=[5.0, 6.0], constant_scale=0.5, no_data_replace=replace
    )
    path = scene(tmp_path, dtype=dtype, nodata=250)
    run([path], tmp_path / "maps", predictor(spec, tiles=tiles()))
    check(path, tmp_path / "maps", spec, tiles())


def test_time_steps_are_read_as_in_memory(tmp_path):
    spec = InputSpec.create(
        dataset_bands=["RED", "BLUE"],
        output_bands=["BLUE", "RED"],
        means=[100.0, 200.0],
        stds=[50.0, 60.0],
        expand_temporal_dimension=True,
    )
    path = scene(tmp_path, bands=6)
    run([path], tmp_path / "maps", predictor(spec, tiles=tiles()))
    check(path, tmp_path / "maps", spec, tiles())


@pytest.mark.parametrize("parameters", [None, tiles(batch_size=7)])
def test_batches_span_scenes_of_several_sizes(parameters, tmp_path):
    sizes = [(40, 31), (12, 12), (25, 60), (12, 12), (12, 12)]
    paths = [scene(tmp_path, f"s{'x' * i}", size) for i, size in enumerate(sizes)]
    report = run(paths, tmp_path / "maps", predictor(tiles=parameters, batch_size=2))
    for path in paths:
        check(path, tmp_path / "maps", SPEC, parameters)
    assert len(report.written) == 2 * len(paths)


def test_each_row_of_a_file_is_read_once_and_few_are_held(tmp_path, monkeypatch):
    path = scene(tmp_path, size=(200, 16))
    seen, held = [], []
    read_rows, read_tile = SceneReader.read_rows, StripSource.read

    def counted(self, begin, end):
        seen.extend(range(begin, end))
        return read_rows(self, begin, end)

    def measured(self, tile):
        image = read_tile(self, tile)
        held.append(0 if self._data is None else self._data.shape[1])
        return image

    monkeypatch.setattr(SceneReader, "read_rows", counted)
    monkeypatch.setattr(StripSource, "read", measured)
    run([path], tmp_path / "maps", predictor(tiles=tiles()))
    assert seen == list(range(200))
    assert max(held) <= 12 + 16


def test_large_scenes_are_cut_and_the_log_says_how(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(tiling, "MOST_WHOLE", 60)
    caplog.set_level("INFO", "terratorch")
    small, large = scene(tmp_path, "small", (20, 20)), scene(tmp_path, "large", (150, 20))
    run([small, large], tmp_path / "maps", predictor(chip=tiling.ChipSize(64, 64)))
    assert "1 scene larger than 60 x 60 pixels runs tile by tile: crop 64 x 64" in caplog.text
    check(small, tmp_path / "maps", SPEC, None)
    check(large, tmp_path / "maps", SPEC, tiles(64, 56, 2))


def test_scenes_larger_than_the_chips_of_the_training_are_cut_like_these(tmp_path, caplog):
    caplog.set_level("INFO", "terratorch")
    small, large = scene(tmp_path, "small", (64, 64)), scene(tmp_path, "large", (70, 20))
    chip = tiling.ChipSize(64, 64, fitted=True)
    run([small, large], tmp_path / "maps", predictor(chip=chip))
    said = "1 scene larger than the chips of the training and validation, 64 x 64 pixels, runs tile"
    assert said in caplog.text
    check(small, tmp_path / "maps", SPEC, None)
    check(large, tmp_path / "maps", SPEC, tiles(64, 56, 2))


@pytest.fixture
def three(tmp_path):
    """Three scenes, of which the second is cut off in its middle."""
    paths = [scene(tmp_path, name, (90, 80)) for name in ("first", "second", "third")]
    content = paths[1].read_bytes()
    paths[1].write_bytes(content[: len(content) // 2])
    return paths


def test_a_damaged_scene_is_left_out(three, tmp_path):
    text = tmp_path / "text.tif"
    text.write_text("not an image")
    report = run([*three, text], tmp_path / "maps", predictor(tiles=tiles()))
    assert list(report.failures) == [text, three[1]]
    assert "second.tif: the image is damaged" in str(report.failures[three[1]])
    names = sorted(file.name for file in (tmp_path / "maps").iterdir())
    assert names == [
        "first_pred.tif",
        "first_pred_logits.tif",
        "third_pred.tif",
        "third_pred_logits.tif",
    ]
    for path in (three[0], three[2]):
        check(path, tmp_path / "maps", SPEC, tiles())


def test_strict_stops_at_a_damaged_scene(three, tmp_path):
    with pytest.raises(DataError, match=r"second\.tif: the image is damaged"):
        run(three, tmp_path / "maps", predictor(tiles=tiles()), strict=True)
    assert not list((tmp_path / "maps").glob(".*"))
    assert not (tmp_path / "maps" / "second_pred.tif").exists()


@pytest.mark.parametrize("parameters", [None, tiles(batch_size=7)])
@pytest.mark.parametrize("row", [3, 80])
def test_a_scene_for_which_the_model_gives_nan_is_left_out(row, parameters, tmp_path, monkeypatch):
    monkeypatch.setattr("terratorch.prediction.maps.writer._SMALL_BLOCK", 16)
    paths = [scene(tmp_path, name, (90, 80)) for name in ("first", "second", "third")]
    with rasterio.open(paths[1], "r+") as dataset:
        pixels = dataset.read()
        pixels[:, row, 40] = 20_000
        dataset.write(pixels)
    batches = []

    def fragile(images, _extras):
        batches.append(len(images))
        return model(torch.where(images > 100, torch.nan, images))

    chosen = predictor(tiles=parameters, forward=fragile, decide=checked, batch_size=2)
    report = run(paths, tmp_path / "maps", chosen)
    assert str(report.failures[paths[1]]) == f"{paths[1]}: it is NaN"
    assert list(report.without_numbers) == paths[1:2]
    assert not report.unreadable
    assert not report.all_failed
    assert not list((tmp_path / "maps").glob("*second*"))
    assert not list((tmp_path / "maps").glob(".*"))
    for path in (paths[0], paths[2]):
        check(path, tmp_path / "maps", SPEC, parameters)
    if parameters is not None and row == 3:  # the rest of it is not run
        assert sum(batches) < 0.9 * 3 * 9 * 11
    with pytest.raises(DataError, match="it is NaN"):
        run(paths, tmp_path / "strict", chosen, strict=True)
    assert not (tmp_path / "strict" / "second_pred.tif").exists()
    assert run(paths[1:2], tmp_path / "one", chosen).all_failed


def checked(scores, filename):
    if scores.isnan().any():
        raise NotANumberError(filename, "it is NaN")
    return decide(scores, filename)


def test_an_error_of_the_writing_thread_ends_the_run(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    path = scene(tmp_path)
    with pytest.raises(TerraTorchError, match="No space left on device"):
        run([path], tmp_path / "maps", predictor(tiles=tiles()))
    assert not list((tmp_path / "maps").iterdir())


def test_an_error_of_the_model_leaves_nothing_half_written(tmp_path):
    calls = []

    def failing(images, extras):
        calls.append(images)
        if len(calls) == 3:
            raise RuntimeError("out of order")
        return model(images)

    with pytest.raises(RuntimeError, match="out of order"):
        run([scene(tmp_path)], tmp_path / "maps", predictor(tiles=tiles(), forward=failing))
    assert not list((tmp_path / "maps").iterdir())


def test_maps_of_the_same_run_are_not_made_again(tmp_path):
    paths = [scene(tmp_path, name) for name in ("first", "second")]
    maps = tmp_path / "maps"
    run(paths[:1], maps, predictor(run="a"))
    report = run(paths, maps, predictor(run="a"))
    assert report.skipped == paths[:1]
    assert len(report.written) == 2
    assert run(paths, maps, predictor(run="a"), overwrite=True).skipped == []
    assert run(paths, maps, predictor(run="b")).skipped == []
    os.utime(paths[0], (1e9, 1e9))  # another image, though it is older than the map
    assert run(paths, maps, predictor(run="b")).skipped == paths[1:]


def test_a_map_whose_layers_are_not_all_there_is_made_again(tmp_path):
    path, maps = scene(tmp_path), tmp_path / "maps"
    layers = [
        file
        for file in run([path], maps, predictor(run="a")).written
        if file.stem.endswith("_pred_logits")
    ]
    layers[0].unlink()
    assert run([path], maps, predictor(run="a")).skipped == []
    assert layers[0].exists()
    assert run([path], maps, predictor(run="a")).skipped == [path]


def test_a_map_of_a_virtual_raster_is_made_again_when_a_file_behind_it_changes(tmp_path):
    path = scene(tmp_path, "behind")
    virtual = tmp_path / "scene.vrt"
    rasterio.shutil.copy(path, virtual, driver="VRT")
    run([virtual], tmp_path / "maps", predictor(run="a"))
    assert run([virtual], tmp_path / "maps", predictor(run="a")).skipped == [virtual]
    os.utime(path, (1e9, 1e9))
    assert run([virtual], tmp_path / "maps", predictor(run="a")).skipped == []


def test_unfinished_files_that_nobody_writes_are_removed(tmp_path):
    maps = tmp_path / "maps"
    maps.mkdir()
    (maps / f".a_pred.tif.{os.getpid()}.partial").touch()
    (maps / ".products.1.partial").mkdir()
    theirs = maps / ".of_another_program.partial"
    theirs.touch()
    mine = create(maps / "b_pred.tif")
    run([scene(tmp_path)], maps, predictor())
    assert set(maps.glob(".*")) == {mine.path, theirs}
    mine.remove()


def test_maps_and_what_is_made_of_them_are_no_images(tmp_path):
    path, maps = scene(tmp_path), tmp_path / "maps"
    products = Products(of_maps=[QuicklookProduct()], of_folder=[Mosaic()])
    with PredictionFolder(maps, products=products) as folder:
        predict_scenes([path], predictor(run="a"), folder, progress=False)
    shutil.copy(path, maps / "own.png")
    report = run(sorted(maps.iterdir()), tmp_path / "again", predictor(run="a"))
    assert {file.stem for file in report.written} == {"own_pred", "own_pred_logits"}
    said = {file.name: error.problem for file, error in report.failures.items()}
    wrote = "that terratorch predict wrote, and no image"
    assert said == {
        "mosaic.vrt": f"it is a mosaic of maps {wrote}",
        "scene_pred.png": f"it is the picture of the map scene_pred.tif {wrote}",
        "scene_pred.tif": f"it is a map {wrote}",
        "scene_pred_logits.tif": f"it is a map {wrote}",
    }


def test_the_summary_is_one_line():
    report = PredictionReport(tiles=48, pixels=3_000_000, seconds=2.0)
    assert report.summary() == "48 tiles, 2.0 s, 1.50 Mpx/s"
    assert PredictionReport(tiles=1).summary().startswith("1 tile, ")


@pytest.fixture
def bars(monkeypatch):
    """What counts the tiles of each run."""
    made = []

    class Kept(TileProgress):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(scenes_module, "TileProgress", Kept)
    return made


@pytest.mark.parametrize("workers", [False, True])
@pytest.mark.parametrize("parameters", [None, tiles(batch_size=7)])
def test_the_bar_fills_whatever_becomes_of_the_scenes(three, parameters, workers, tmp_path, bars):
    undecided = scene(tmp_path, "undecided", (90, 80))

    def decided(scores, filename):
        if filename == str(undecided):
            raise NotANumberError(filename, "it is NaN")
        return decide(scores, filename)

    chosen = predictor(tiles=parameters, decide=decided)
    options = {"run": SpreadGroup(lambda: Here(chosen))} if workers else {}
    report = run([undecided, *three], tmp_path / "maps", chosen, **options)
    assert set(report.failures) == {undecided, three[1]}
    (bar,) = bars
    each = bar.total // 4
    assert (bar.done, bar.total) == (4 * each, 4 * each)
    assert report.tiles == 2 * each  # of the maps that came out, so that it is always the same


@pytest.fixture
def opened(monkeypatch):
    """The images that were opened to be read bit by bit."""
    datasets = []

    def kept(path):
        datasets.append(open_for_long(path))
        return datasets[-1]

    monkeypatch.setattr("terratorch.datasets.scenes.scene_reader.open_for_long", kept)
    return datasets


def test_scenes_that_cannot_be_used_leave_no_file_open(three, tmp_path, opened):
    other = scene(tmp_path, "other", bands=3)
    spec = InputSpec.create(dataset_bands=["RED", "BLUE"])
    report = run([other, *three], tmp_path / "maps", predictor(spec, tiles=tiles()))
    assert list(report.failures) == [other, three[1]]
    assert len(opened) == 4
    assert all(dataset.closed for dataset in opened)
    assert "bands" in str(report.failures[other])
    for error in report.failures.values():  # their frames would hold the rows that were read
        assert error.__traceback__ is error.__cause__ is error.__context__ is None


@pytest.mark.parametrize("parameters", [None, tiles(batch_size=7)])
def test_a_run_that_ends_early_leaves_no_file_open(parameters, tmp_path, opened):
    def failing(images, extras):
        raise KeyboardInterrupt

    paths = [scene(tmp_path, name) for name in ("first", "second")]
    chosen = predictor(tiles=parameters, forward=failing)
    with pytest.raises(KeyboardInterrupt):
        run(paths, tmp_path / "maps", chosen)
    assert opened
    assert all(dataset.closed for dataset in opened)
