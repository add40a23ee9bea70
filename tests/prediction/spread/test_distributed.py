"""Scenes that are spread over workers give the maps of one process."""

import logging
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.shutil import copy

from scene_parts import (
    Here,
    Transformer,
    assert_same_maps,
    convolution,
    decide,
    maps,
    predictor,
    scene,
    tiles,
)
from terratorch.contracts.prediction import Prediction
from terratorch.errors import DataError, InvalidModelError, NotANumberError, OutputError
from terratorch.geo.virtual_files import VirtualFiles, read_virtual_files
from terratorch.prediction.outputs.base import FinishedRows
from terratorch.prediction.scenes.area import Limits
from terratorch.prediction.spread import distributed
from terratorch.prediction.spread.segment_run import PackedRows
from terratorch.tiles.batch_size import SplittingForward


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Segments of few tiles, and reads of few rows."""
    monkeypatch.setattr("terratorch.prediction.scenes.strip._LEAST_ROWS", 4)
    monkeypatch.setattr("terratorch.prediction.scenes.strip._MOST_ROWS", 16)
    monkeypatch.setattr("terratorch.prediction.outputs.raster._ROWS", 5)
    monkeypatch.setattr(distributed, "_BATCHES", 1)
    monkeypatch.setattr(distributed, "_SEGMENTS_EACH", 10)
    monkeypatch.setattr(distributed, "cut", partial(distributed.cut, least_rows=1))


def check(paths, tmp_path, chosen, least=2, **options):
    whole, expected = maps(paths, tmp_path / "whole", chosen, **options)
    workers = Here(chosen)
    spread, found = maps(paths, tmp_path / "spread", chosen, workers, **options)
    assert len(workers.done) >= least
    assert_same_maps(found, expected)
    assert (spread.tiles, spread.pixels) == (whole.tiles, whole.pixels)
    assert [path.name for path in spread.written] == [path.name for path in whole.written]
    assert list(map(str, spread.failures.values())) == list(map(str, whole.failures.values()))
    return whole, spread


@pytest.mark.parametrize(
    "parameters",
    [
        tiles(),
        tiles(8, 8, 0, batch_size=3),
        tiles(16, 5, 3, average_patches=False),
        tiles(64, 48, 4, batch_size=1),
        tiles(blend_overlaps=False, padding="constant"),
        tiles(padding="circular"),
        tiles(20, 11, 2, padding=False),
        tiles(h_crop=20, h_stride=15, batch_size=1),
    ],
    ids=str,
)
def test_maps_are_those_of_one_process(parameters, tmp_path):
    paths = [scene(tmp_path), scene(tmp_path, "wide", (40, 50)), scene(tmp_path, "small", (9, 9))]
    check(paths, tmp_path, predictor(tiles=parameters))


def test_scenes_that_run_whole_share_batches(tmp_path):
    sizes = [(12, 12), (12, 12), (12, 12), (25, 60), (12, 12), (12, 12)]
    paths = [scene(tmp_path, f"s{'x' * i}", size) for i, size in enumerate(sizes)]
    check(paths, tmp_path, predictor(batch_size=2))


def test_a_transformer_gives_the_same_maps(tmp_path):
    parameters = tiles(32, 20, 4, batch_size=3)
    paths = [scene(tmp_path, size=(150, 70)), scene(tmp_path, "other", (40, 61))]
    check(paths, tmp_path, predictor(Transformer(), tiles=parameters), least=5)


def test_an_area_is_cut_where_it_has_tiles(tmp_path):
    path = scene(tmp_path, size=(150, 60))
    with rasterio.open(path) as dataset:
        (west, north), (east, south) = (dataset.transform * at for at in ((20, 90), (45, 130)))
        crs = str(dataset.crs)
    limits = Limits.from_options(f"{west},{south},{east},{north}", crs)
    check([path], tmp_path, predictor(tiles=tiles(), limits=limits))


def _damaged(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def test_a_damaged_scene_is_left_out(tmp_path, caplog):
    paths = [scene(tmp_path, name, (90, 80)) for name in ("first", "second", "third")]
    _damaged(paths[1])
    whole, _ = check(paths, tmp_path, predictor(tiles=tiles(batch_size=7)))
    assert list(whole.failures) == [paths[1]]
    with pytest.raises(DataError, match=r"second\.tif: the image is damaged"):
        check(paths, tmp_path, predictor(tiles=tiles()), strict=True)
    chosen = predictor(tiles=tiles())
    with pytest.raises(DataError, match=r"second\.tif: the image is damaged"):
        maps(paths, tmp_path / "strict", chosen, Here(chosen), strict=True)


@pytest.mark.parametrize("row", [2, 80])
def test_a_scene_of_which_nothing_is_known_is_left_out(row, tmp_path):
    paths = [scene(tmp_path, name, (90, 40)) for name in ("first", "second", "next")]
    with rasterio.open(paths[1], "r+") as dataset:
        pixels = dataset.read()
        pixels[:, row, 30] = 20_000
        dataset.write(pixels)
    network = Transformer()

    def fragile(images):
        return network(torch.where(images > 100, torch.nan, images))

    def checked(scores, filename):
        if scores.isnan().any():
            raise NotANumberError(filename, "it is NaN")
        return decide(scores, filename)

    chosen = predictor(fragile, tiles=tiles(32, 24, 2, batch_size=5), decide=checked)
    whole, _ = check(paths, tmp_path, chosen)
    assert list(whole.without_numbers) == paths[1:2]


def test_a_run_that_ended_is_gone_on_with(tmp_path, monkeypatch):
    """On workers or not: rows that are on the disk are not run again."""
    monkeypatch.setattr("terratorch.prediction.outputs.raster.SECONDS_BETWEEN_SAVES", 0.0)
    for block in ("_BLOCK", "_SMALL_BLOCK"):
        monkeypatch.setattr(f"terratorch.prediction.maps.writer.{block}", 32)
    paths = [scene(tmp_path, size=(250, 40)), scene(tmp_path, "other", (40, 61))]
    chosen = predictor(Transformer(), tiles=tiles(32, 20, 4, batch_size=3), run="a")
    _, expected = maps(paths, tmp_path / "whole", chosen)

    class Mortal(Here):
        def outcome(self, number, outcome):
            if number == 6:
                raise KeyboardInterrupt
            return outcome

    with pytest.raises(KeyboardInterrupt):
        maps(paths, tmp_path / "spread", chosen, Mortal(chosen))
    workers = Here(chosen)
    report, found = maps(paths, tmp_path / "spread", chosen, workers)
    assert_same_maps(found, expected)
    assert 0 < report.tiles < maps(paths, tmp_path / "again", chosen)[0].tiles


def test_workers_run_smaller_batches_when_memory_runs_out(tmp_path, caplog):
    network = convolution()
    counts = []

    def forward(images, extras):
        counts.append(len(images))
        if len(images) > 3:
            raise torch.OutOfMemoryError
        return network(images)

    whole = predictor(tiles=tiles(batch_size=8), forward=SplittingForward(forward))
    paths = [scene(tmp_path), scene(tmp_path, "wide", (40, 50))]
    _, expected = maps(paths, tmp_path / "whole", whole)
    worker = predictor(tiles=tiles(batch_size=8), forward=SplittingForward(forward))
    _, spread = maps(paths, tmp_path / "spread", whole, Here(worker))
    assert_same_maps(spread, expected)
    too_many = [count for count in counts if count > 3]
    assert too_many == [8, 4, 8, 4]  # in one process, and in one that is a worker
    said = [record.getMessage() for record in caplog.records if record.module == "distributed"]
    assert said == ["Out of memory with 8 tiles at once: continuing with 4"]


def test_workers_elsewhere_get_the_virtual_rasters_of_scenes(tmp_path, monkeypatch):
    """The files that they name are there under the same path."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    ours = tmp_path / "temporary" / "ours"
    ours.mkdir(parents=True)
    paths = [ours / f"{name}.vrt" for name in ("first", "other")]
    for path, size in zip(paths, [(70, 31), (40, 50)], strict=True):
        copy(scene(tmp_path, path.stem, size), path, driver="VRT")

    class Elsewhere(Here):
        def run_one(self, job):
            hidden = ours.rename(tmp_path / "hidden")
            try:
                return super().run_one(job)
            finally:
                assert {file.name for file in ours.iterdir()} <= {path.name for path in paths}
                self.virtual_files.remove()
                self.virtual_files = VirtualFiles()
                assert not ours.exists()
                hidden.rename(ours)

    chosen = predictor(tiles=tiles())
    _, expected = maps(paths, tmp_path / "whole", chosen)
    workers = Elsewhere(chosen)
    report, found = maps(paths, tmp_path / "spread", chosen, workers)
    assert len(workers.done) > 2
    assert not report.failures
    assert_same_maps(found, expected)


def test_virtual_rasters_that_are_there_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    there, missing, given = tmp_path / "a.vrt", tmp_path / "new" / "b.vrt", tmp_path / "c.tif"
    for path in (there, given):
        path.write_text("ours")
    assert read_virtual_files([there, given, Path("/elsewhere/d.vrt")]) == {there: b"ours"}
    files = VirtualFiles()
    files.put({there: b"theirs", missing: b"theirs"})
    assert there.read_text() == "ours"
    assert missing.read_text().startswith("theirs")
    files.remove()
    assert {path.name for path in tmp_path.iterdir()} == {"a.vrt", "c.tif"}


def test_a_worker_removes_what_the_one_before_it_has_put(tmp_path, monkeypatch):
    """Which was killed; there may be no hard links."""
    monkeypatch.delattr("os.link")
    path = tmp_path / "new" / "a.vrt"
    VirtualFiles().put({path: b"theirs"})
    files, others = VirtualFiles(), VirtualFiles()
    for each in (files, others, files):
        each.put({path: b"theirs"})
    assert [file.name for file in path.parent.iterdir()] == ["a.vrt"]
    files.remove()
    others.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_virtual_raster_that_cannot_be_put_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match=r"file/a\.vrt: it cannot be written on .*set TMPDIR"):
        VirtualFiles().put({tmp_path / "file" / "a.vrt": b""})


def test_a_mistake_in_a_worker_ends_the_run(tmp_path):
    chosen = predictor(tiles=tiles(), forward=lambda images, extras: "no tensor")
    with pytest.raises(InvalidModelError, match="the model gives a str"):
        maps([scene(tmp_path)], tmp_path / "maps", chosen, Here(chosen))
    assert not list((tmp_path / "maps").iterdir())


def test_what_every_worker_says_once_is_said_once(tmp_path, caplog):
    def warn(scores, filename):
        logging.getLogger("terratorch.test").warning("odd: %s", scores.shape)
        return decide(scores, filename)

    chosen = predictor(tiles=tiles(), decide=warn)
    maps([scene(tmp_path)], tmp_path / "maps", chosen, Here(chosen))
    said = [record for record in caplog.records if record.module == "distributed"]
    assert [record.getMessage()[:4] for record in said] == ["odd:"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (torch.tensor([0, 255]), np.uint8),
        (torch.tensor([0, 256]), np.uint16),
        (torch.tensor([-1, 200]), np.int16),
        (torch.tensor([-1.5, 2.0]), np.float32),
        (torch.tensor([], dtype=torch.int64), np.int64),
    ],
    ids=str,
)
def test_a_layer_travels_in_the_smallest_dtype(values, dtype):
    prediction = Prediction.of_tensors({"prediction": values}, ["a"] * len(values))
    packed = PackedRows.of(0, FinishedRows(0, 1, prediction)).rows.prediction.main.values
    assert packed.numpy().dtype == dtype
    assert torch.equal(packed.to(values.dtype), values)
