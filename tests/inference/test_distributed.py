"""Scenes that are spread over workers give the maps of one process, bit for bit."""

import logging
import pickle
from functools import partial

import numpy as np
import pytest
import rasterio
import torch

from chip_files import write_tif
from terratorch.datasets.input_spec import InputSpec
from terratorch.datasets.scene_reader import SceneReader
from terratorch.errors import DataError, InvalidModelError
from terratorch.inference import distributed
from terratorch.inference.area import Limits
from terratorch.inference.distributed import SpreadGroup
from terratorch.inference.folder import PredictionFolder
from terratorch.inference.parameters import TiledInferenceParameters
from terratorch.inference.prediction import Prediction
from terratorch.inference.scenes import ScenePredictor, predict_scenes
from terratorch.inference.segment_run import PackedLayer, run_job_apart
from terratorch.registry import BACKBONE_REGISTRY

SPEC = InputSpec.create(means=[100.0, 200.0], stds=[50.0, 60.0], constant_scale=0.5)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Segments of few tiles, and reads of few rows."""
    monkeypatch.setattr("terratorch.inference.strip._LEAST_ROWS", 4)
    monkeypatch.setattr("terratorch.inference.strip._MOST_ROWS", 16)
    monkeypatch.setattr("terratorch.inference.map_sink._ROWS", 5)
    monkeypatch.setattr(distributed, "_BATCHES", 1)
    monkeypatch.setattr(distributed, "_SEGMENTS_EACH", 10)
    monkeypatch.setattr(distributed, "cut", partial(distributed.cut, least_rows=1))


def convolution():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 16, 3, padding=1), torch.nn.GELU(), torch.nn.Conv2d(16, 3, 3, padding=1)
    )


class Transformer(torch.nn.Module):
    """A real encoder, whose values depend on the batch in their last bits."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        name = "prithvi_eo_v2_tiny_tl"
        self.encoder = BACKBONE_REGISTRY.build(
            name, pretrained=False, bands=["RED", "GREEN"], num_frames=1, img_size=32
        ).eval()
        self.head = torch.nn.Conv2d(self.encoder.out_channels[-1], 3 * 256, 1)

    def forward(self, tiles):
        tokens = self.encoder(tiles)[-1][:, 1:]
        side = round(tokens.shape[1] ** 0.5)
        features = tokens.transpose(1, 2).unflatten(2, (side, side))
        return torch.nn.functional.pixel_shuffle(self.head(features), 16)


def decide(scores, filename):
    return Prediction({"prediction": scores.argmax(1), "logits": scores}, [filename])


def predictor(model=None, **changes):
    model = model or convolution()
    parts = {
        "open_reader": lambda path: SceneReader(path, SPEC),
        "forward": lambda images, extras: model(images),
        "decide": decide,
        "device": torch.device("cpu"),
    }
    return ScenePredictor(**parts | changes)


def tiles(crop=12, stride=9, delta=1, **changes):
    sides = {"h_crop": crop, "w_crop": crop, "h_stride": stride, "w_stride": stride}
    return TiledInferenceParameters(**sides | {"delta": delta, "batch_size": 5} | changes)


class Here:
    """Workers that are this process; segments are done in no order."""

    def __init__(self, chosen, count=3):
        self.predictor, self.count = chosen, count
        self.jobs, self.outcomes, self.done = {}, {}, []

    def submit(self, number, job):
        self.jobs[number] = pickle.loads(pickle.dumps(job))

    def outcome(self, number):
        for other in reversed(sorted(self.jobs)):
            outcome = run_job_apart(self.jobs.pop(other), self.predictor)
            self.outcomes[other] = pickle.loads(pickle.dumps(outcome))
            self.done.append(other)
        return self.outcomes.pop(number)


def scene(folder, name="scene", size=(70, 31)):
    random = np.random.default_rng(len(name) + sum(size))
    pixels = random.integers(0, 500, (2, *size)).astype(np.int16)
    pixels[:, 5:9, 3:20] = -1
    return write_tif(folder / f"{name}.tif", pixels, -1)


def maps(paths, folder, chosen, workers=None, **options):
    if workers is not None:
        options["run"] = SpreadGroup(lambda: workers)
    with PredictionFolder(folder) as output:
        report = predict_scenes(paths, chosen, output, progress=False, **options)
    return report, {file.name: _content(file) for file in sorted(folder.glob("*.tif"))}


def _content(path):
    with rasterio.open(path) as dataset:
        return dataset.read().tobytes(), dataset.dtypes, dataset.tags(), dataset.descriptions


def check(paths, tmp_path, chosen, least=2, **options):
    whole, expected = maps(paths, tmp_path / "whole", chosen, **options)
    workers = Here(chosen)
    spread, found = maps(paths, tmp_path / "spread", chosen, workers, **options)
    assert len(workers.done) >= least
    assert found == expected
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
    whole, spread = check(paths, tmp_path, predictor(tiles=parameters))
    assert (spread.tiles, spread.pixels) == (whole.tiles, whole.pixels)


def test_scenes_that_run_whole_share_batches(tmp_path):
    sizes = [(12, 12), (12, 12), (12, 12), (25, 60), (12, 12), (12, 12)]
    paths = [scene(tmp_path, f"s{'x' * i}", size) for i, size in enumerate(sizes)]
    check(paths, tmp_path, predictor(batch_size=2))


def test_a_transformer_gives_the_same_bits(tmp_path):
    parameters = tiles(32, 20, 4, batch_size=3)
    paths = [scene(tmp_path, size=(150, 70)), scene(tmp_path, "other", (40, 61))]
    check(paths, tmp_path, predictor(Transformer(), tiles=parameters), least=5)


def test_an_area_is_cut_where_it_has_tiles(tmp_path):
    path = scene(tmp_path, size=(150, 60))
    with rasterio.open(path) as dataset:
        (west, north), (east, south) = (dataset.transform * at for at in ((20, 90), (45, 130)))
        crs = str(dataset.crs)
    limits = Limits.given(f"{west},{south},{east},{north}", crs)
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


def test_tiles_of_a_scene_that_failed_are_left_out_of_batches_that_were_sent_before(tmp_path):
    """Its last rows can be read, and share a batch with the next scene."""
    paths = [scene(tmp_path, name, (90, 40)) for name in ("first", "next")]

    class Failing(SceneReader):
        def read_rows(self, begin, end):
            if self.path.stem == "first" and begin <= 20 < end:
                raise DataError(str(self.path), "the image is damaged")
            return super().read_rows(begin, end)

    chosen = predictor(
        Transformer(),
        tiles=tiles(32, 24, 2, batch_size=5),
        open_reader=lambda path: Failing(path, SPEC),
    )
    whole, _ = check(paths, tmp_path, chosen)
    assert list(whole.failures) == paths[:1]


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
    packed = PackedLayer.of(values)
    assert packed.values.dtype == dtype
    assert packed.layer().dtype == values.dtype
    assert torch.equal(packed.layer(), values)
