"""Scenes, models and predictors for tests of predictions."""

import pickle
from itertools import islice

import numpy as np
import rasterio
import torch

from chip_files import write_tif
from terratorch.contracts.input_spec import InputSpec
from terratorch.contracts.prediction import Prediction
from terratorch.datasets.scenes.scene_reader import SceneReader
from terratorch.geo.virtual_files import VirtualFiles
from terratorch.prediction.outputs.folder import PredictionFolder
from terratorch.prediction.scenes.planned_scene import ScenePredictor
from terratorch.prediction.scenes.scenes import predict_scenes
from terratorch.prediction.spread.distributed import SpreadGroup
from terratorch.prediction.spread.segment_run import run_job
from terratorch.registry import BACKBONE_REGISTRY
from terratorch.tiles.parameters import TiledInferenceParameters

SPEC = InputSpec.create(means=[100.0, 200.0], stds=[50.0, 60.0], constant_scale=0.5)


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
    return Prediction.of_tensors({"prediction": scores.argmax(1), "logits": scores}, [filename])


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
        return dataset.read(), (dataset.dtypes, dataset.tags(), dataset.descriptions)


def assert_same_maps(found, expected, tolerance=1e-5):
    """Compare what `maps` returned: floats within a tolerance, everything else exactly."""
    assert found.keys() == expected.keys()
    for name, (pixels, facts) in found.items():
        assert facts == expected[name][1]
        np.testing.assert_allclose(pixels, expected[name][0], rtol=0, atol=tolerance)


class Here:
    """Workers that are this process; segments finish out of order."""

    def __init__(self, chosen, count=3):
        self.predictor, self.count = chosen, count
        self.done = []
        self.virtual_files = VirtualFiles()

    def run(self, jobs):
        jobs = enumerate(jobs)
        while some := list(islice(jobs, self.count)):
            outcomes = {}
            for number, job in reversed(some):
                outcome = self.run_one(pickle.loads(pickle.dumps(job)))
                outcomes[number] = pickle.loads(pickle.dumps(outcome))
                self.done.append(number)
            for number, _ in some:
                yield self.outcome(number, outcomes[number])

    def outcome(self, number, outcome):
        return outcome

    def run_one(self, job):
        self.virtual_files.put(job.virtual_files)
        return run_job(job, self.predictor)
