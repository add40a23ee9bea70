"""A run that ended in the middle of a scene is gone on with, and the map comes out the same."""

import random
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import torch
from rasterio.enums import Resampling

from chip_files import write_tif
from terratorch.contracts.input_spec import InputSpec
from terratorch.contracts.prediction import Prediction
from terratorch.datasets.scenes.scene_reader import SceneReader
from terratorch.errors import DataError, NotANumberError, OutputError
from terratorch.geo.partial_file import claim, leftovers, number_of
from terratorch.prediction.maps import finishing, writer
from terratorch.prediction.outputs import raster
from terratorch.prediction.outputs.folder import PredictionFolder
from terratorch.prediction.scenes.planned_scene import ScenePredictor
from terratorch.prediction.scenes.scenes import predict_scenes
from terratorch.tiles.parameters import TiledInferenceParameters

SPEC = InputSpec.create(means=[100.0, 200.0], stds=[50.0, 60.0])
TILES = TiledInferenceParameters(32, 24, 32, 24, 2, batch_size=5)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """Save often, and in small blocks."""
    set_small_steps(monkeypatch.setattr)


def set_small_steps(change):
    change(raster, "SECONDS_BETWEEN_SAVES", 0.0)
    change(writer, "_BLOCK", 64)
    change(writer, "_SMALL_BLOCK", 64)


class Model:
    """Scores that depend on the neighbours; stops after some batches."""

    def __init__(self, batches=None, error=KeyboardInterrupt):
        self.batches, self.error, self.tiles = batches, error, 0

    def __call__(self, tiles, _extras=None):
        if self.batches is not None:
            self.batches -= 1
            if self.batches < 0:
                raise self.error
        self.tiles += len(tiles)
        return torch.cat([tiles, torch.nn.functional.avg_pool2d(tiles, 3, 1, 1)], 1)


def decide(scores, filename):
    layers = {"prediction": scores.argmax(1), "logits": scores}
    return Prediction.of_tensors(layers, [filename])


def predictor(model, name="run", tiles=TILES):
    return ScenePredictor(
        open_reader=lambda path: SceneReader(path, SPEC),
        forward=model,
        decide=decide,
        device=torch.device("cpu"),
        tiles=tiles,
        run=name,
    )


def scene(folder, size=(300, 150)):
    pixels = np.random.default_rng(1).integers(0, 500, (2, *size)).astype(np.int16)
    pixels[:, 100:130, 20:90] = -1
    return write_tif(folder / "scene.tif", pixels, -1)


def run(path, folder, model, name="run", **options):
    with PredictionFolder(folder) as maps:
        return predict_scenes([path], predictor(model, name), maps, progress=False, **options)


def read(folder):
    found = {}
    for file in sorted(folder.glob("*.tif")):
        with rasterio.open(file) as dataset:
            found[file.name] = dataset.read()
    return found


def assert_same(folder, other):
    ours, theirs = read(folder), read(other)
    assert sorted(ours) == sorted(theirs) == ["scene_pred.tif", "scene_pred_logits.tif"]
    for name in ours:
        assert np.array_equal(ours[name], theirs[name], equal_nan=True), name


def interrupted(path, folder, batches, **options):
    model = Model(batches)
    with pytest.raises(KeyboardInterrupt):
        run(path, folder, model, **options)
    assert list(folder.glob("*.tif")) == []
    return model


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The scene, its maps made in one go, and how many tiles that took."""
    folder = tmp_path_factory.mktemp("whole")
    path, model = scene(folder), Model()
    run(path, folder / "maps", model)
    return path, folder / "maps", model.tiles


@pytest.mark.parametrize("batches", [0, 3, 8, 12, 17])
def test_a_run_goes_on_where_another_was_interrupted(whole, batches, tmp_path, caplog):
    path, maps, tiles = whole
    caplog.set_level("INFO")
    interrupted(path, tmp_path, batches)
    model = Model()
    report = run(path, tmp_path, model)
    assert_same(tmp_path, maps)
    assert list(tmp_path.glob(".*")) == []
    assert report.pixels == 300 * 150
    # In between it depends on how many writes were waiting.
    if batches >= 12:
        assert "of 300 rows are done and kept; the same command resumes from there" in caplog.text
        assert "resuming at row" in caplog.text
        assert model.tiles < tiles
    elif batches <= 3:
        assert model.tiles == tiles


def test_a_run_may_be_interrupted_again_and_again(whole, tmp_path):
    path, maps, _ = whole
    done = 0
    for _ in range(12):
        try:
            run(path, tmp_path, Model(9))
        except KeyboardInterrupt:
            continue
        done += 1
        break
    assert done == 1
    assert_same(tmp_path, maps)


@pytest.mark.parametrize("change", ["source", "run", "overwrite"])
def test_what_was_made_otherwise_is_not_gone_on_with(whole, change, tmp_path):
    _, _, tiles = whole
    path, maps = scene(tmp_path), tmp_path / "maps"
    interrupted(path, maps, 12)
    model, options = Model(), {}
    if change == "source":
        scene(tmp_path)
    elif change == "run":
        options["name"] = "other weights"
    else:
        options["overwrite"] = True
    run(path, maps, model, **options)
    assert model.tiles == tiles
    assert len(list(maps.glob("*.tif"))) == 2
    if change != "overwrite":
        assert list(maps.glob(".*")) == []


def test_a_damaged_leftover_is_not_gone_on_with(whole, tmp_path):
    path, maps, tiles = whole
    interrupted(path, tmp_path, 12)
    for leftover in tmp_path.glob(".*.partial"):
        content = bytearray(leftover.read_bytes())
        content[len(content) // 3 :] = bytes(len(content) - len(content) // 3)
        leftover.write_bytes(content)
    model = Model()
    run(path, tmp_path, model)
    assert model.tiles == tiles
    assert_same(tmp_path, maps)


@pytest.fixture
def of_another_run(whole, tmp_path):
    """What a run with a number that no process has left of the scene, in the middle."""
    path, maps, _ = whole
    interrupted(path, tmp_path, 12)
    for file in tmp_path.glob(".*.partial"):
        file.rename(file.with_name(file.name.replace(str(number_of(file)), "4194305")))
    return path, maps, tmp_path


@pytest.mark.parametrize("options", [{"overwrite": True}, {}])
def test_what_nobody_goes_on_with_is_removed(of_another_run, options):
    path, maps, folder = of_another_run
    if not options:  # the scene is complete by another way
        for file in maps.glob("*.tif"):
            shutil.copy(file, folder)
    model = Model()
    run(path, folder, model, **options)
    assert bool(model.tiles) == bool(options)
    assert list(folder.glob(".*")) == []
    assert_same(folder, maps)


def test_a_copy_that_was_being_made_does_not_stand_in_for_the_map(of_another_run, caplog):
    path, maps, folder = of_another_run
    leftover = folder / ".scene_pred.tif.4194305.partial"
    shutil.copy(leftover, folder / ".scene_pred.tif.4194305.cog.4194305.partial")
    caplog.set_level("INFO")
    run(path, folder, Model())
    assert "resuming at row" in caplog.text
    assert_same(folder, maps)


def test_overviews_that_were_being_made_are_made_anew(of_another_run, monkeypatch):
    path, maps, folder = of_another_run
    monkeypatch.setattr(finishing, "_SMALL", 200)
    leftover = folder / ".scene_pred.tif.4194305.partial"
    with rasterio.open(leftover, "r+") as dataset:
        dataset.build_overviews([2], Resampling.nearest)
    run(path, folder, Model())
    assert_same(folder, maps)
    with rasterio.open(folder / "scene_pred.tif", overview_level=0) as half:
        assert np.array_equal(half.read(1), read(maps)["scene_pred.tif"][0, ::2, ::2])


def test_a_map_in_its_last_form_is_made_anew(of_another_run):
    path, maps, folder = of_another_run
    for layer in ("", "_logits"):
        leftover = folder / f".scene_pred{layer}.tif.4194305.partial"
        tiff = leftover.rename(folder / "copy.tif")
        rasterio.shutil.copy(tiff, leftover, driver="COG", blocksize=128)
        tiff.unlink()
    run(path, folder, Model())
    assert_same(folder, maps)


_HOLDER = """
import fcntl, sys
files = [open(path, "r+b") for path in sys.argv[1:]]
for file in files:
    fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
input()
"""


@contextmanager
def another_process(folder, holds):
    """A process that runs, after which the leftovers are called, and that may hold them."""
    names = sorted(folder.glob(".*.partial"))
    assert len(names) == 2
    paths = names if holds else []
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        yield [
            path.rename(path.with_name(path.name.replace(str(number_of(path)), str(other.pid))))
            for path in names
        ]
        other.stdin.write(b"\n")


def test_maps_that_another_process_holds_are_left_alone(whole, tmp_path):
    path, maps, tiles = whole
    interrupted(path, tmp_path, 12)
    with another_process(tmp_path, holds=True) as theirs:
        model = Model()
        run(path, tmp_path, model)
        assert model.tiles == tiles
        assert all(file.exists() for file in theirs)
    assert_same(tmp_path, maps)


def test_maps_that_nobody_holds_are_gone_on_with_though_their_number_was_given_again(
    whole, tmp_path
):
    path, maps, tiles = whole
    interrupted(path, tmp_path, 12)
    with another_process(tmp_path, holds=False):
        model = Model()
        run(path, tmp_path, model)
        assert model.tiles < tiles
    assert_same(tmp_path, maps)
    assert list(tmp_path.glob(".*")) == []


def test_of_two_runs_at_once_one_goes_on_and_the_other_begins_anew(whole, tmp_path):
    path, maps, tiles = whole
    interrupted(path, tmp_path, 12)
    ran = []

    class First(Model):
        def __call__(self, images, extras=None):
            if not ran:  # the second run begins when the first has claimed what was left
                ran.append(Model())
                run(path, tmp_path, ran[0])
            return super().__call__(images, extras)

    first = First()
    run(path, tmp_path, first)
    assert first.tiles < tiles == ran[0].tiles
    assert_same(tmp_path, maps)
    assert list(tmp_path.glob(".*")) == []


def test_what_was_left_of_a_scene_that_gives_nan_is_removed(whole, tmp_path):
    path, _, _ = whole
    interrupted(path, tmp_path, 12)

    def undecided(scores, filename):
        raise NotANumberError(filename, "it is NaN")

    chosen = replace(predictor(Model()), decide=undecided)
    with PredictionFolder(tmp_path) as folder:
        assert predict_scenes([path], chosen, folder, progress=False).all_failed
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_to_go_on_with(whole, tmp_path, monkeypatch):
    path, _, _ = whole
    saved = writer.MapWriter.save

    def full(self):
        saved(self)
        raise OutputError("The output folder", "it cannot be written to (No space left on device)")

    monkeypatch.setattr(writer.MapWriter, "save", full)
    with pytest.raises(OutputError, match="No space left"):
        run(path, tmp_path, Model())
    assert list(tmp_path.iterdir()) == []


def test_a_map_that_cannot_be_closed_leaves_the_other_layers_to_the_next_run(
    whole, tmp_path, monkeypatch
):
    path, _, _ = whole
    suspend, closed = writer.MapWriter.suspend, []

    def full(self):
        suspend(self)
        closed.append(self.path.name)
        raise OutputError("The output folder", "it cannot be written to (No space left on device)")

    monkeypatch.setattr(writer.MapWriter, "suspend", full)
    with pytest.raises(OutputError, match="No space left"):
        run(path, tmp_path, Model(12))
    assert closed == ["scene_pred_logits.tif", "scene_pred.tif"]
    claimed = [claim(file) for file in leftovers(tmp_path)]
    assert len(claimed) == 2
    for held in claimed:
        assert held is not None
        held.remove()


def test_a_strict_run_keeps_the_scene_before_the_damaged_one(whole, tmp_path):
    path, maps, _ = whole
    damaged = tmp_path / "damaged.tif"
    damaged.write_bytes(path.read_bytes()[:20_000])
    model = Model()
    with PredictionFolder(tmp_path / "maps") as folder, pytest.raises(DataError, match="damaged"):
        predict_scenes([path, damaged], predictor(model), folder, progress=False, strict=True)
    assert not list((tmp_path / "maps").glob("*damaged*"))
    assert run(path, tmp_path / "maps", Model()).failures == {}
    assert_same(tmp_path / "maps", maps)


_KILLS = 8
_CHILD = """
import sys, time
sys.path[:0] = {paths!r}
from pathlib import Path
import test_unfinished_maps as tests
class Slow(tests.Model):
    def __call__(self, tiles, extras=None):
        time.sleep(0.01)
        return super().__call__(tiles, extras)
tests.set_small_steps(setattr)
print("ready", flush=True)
tests.run(Path({path!r}), Path({folder!r}), Slow())
"""


@pytest.mark.slow
def test_nothing_is_lost_when_a_run_is_killed_at_any_moment(tmp_path):
    """Kill the process again and again: there is never half a map, and never one that is wrong."""
    path = scene(tmp_path, (1200, 150))
    run(path, tmp_path / "whole", Model())
    maps = tmp_path / "maps"
    here = Path(__file__).parent
    code = _CHILD.format(paths=[str(here), str(here.parents[1])], path=str(path), folder=str(maps))
    moments = random.Random(0)
    for kills in range(_KILLS + 1):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        if kills < _KILLS:
            time.sleep(moments.uniform(0.05, 0.3))
            child.kill()
        child.wait()
        child.stdout.close()
        for file in maps.glob("*.tif"):  # what has its final name is complete
            with rasterio.open(file) as dataset, rasterio.open(tmp_path / "whole" / file.name) as a:
                assert np.array_equal(dataset.read(), a.read(), equal_nan=True)
    assert child.returncode == 0
    assert_same(maps, tmp_path / "whole")
    assert list(maps.glob(".*")) == []
