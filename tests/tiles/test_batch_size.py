"""`batch_size: auto`, and tiles that the command line asks for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from chip_files import write_tif
from terratorch.contracts.input_spec import InputSpec
from terratorch.contracts.outputs import Boxes
from terratorch.contracts.prediction import Prediction
from terratorch.datasets.scenes.scene_reader import SceneReader
from terratorch.errors import ConfigurationError
from terratorch.prediction.outputs.folder import PredictionFolder
from terratorch.prediction.scenes.planned_scene import ScenePredictor
from terratorch.prediction.scenes.scenes import predict_scenes
from terratorch.tiles.batch_size import SplittingForward, automatic_batch_size
from terratorch.tiles.parameters import (
    TiledInferenceParameters,
    parse_tiled_inference_parameters,
    with_options,
)
from terratorch.tiles.tiled import tiled_inference

CPU = torch.device("cpu")


class Model:
    """A model whose memory holds some tiles, and that notes how many it is given."""

    def __init__(self, most=1000):
        self.most = most
        self.counts = []

    def __call__(self, images, _extras=None):
        self.counts.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError
        return images * 2


@pytest.mark.parametrize(
    ("size", "device", "expected"),
    [(512, "cpu", 4), (224, "cpu", 20), (16, "cpu", 64), (4096, "cpu", 1), (512, "cuda", 16)],
)
def test_auto_fits_the_size_of_tiles_and_the_device(size, device, expected):
    assert automatic_batch_size(size, size, torch.device(device)) == expected


def test_a_batch_that_is_too_large_is_split(caplog):
    model = Model(most=3)
    forward = SplittingForward(model)
    images = torch.rand(10, 1, 2, 2)
    assert torch.equal(forward(images, {}), images * 2)
    assert model.counts == [10, 5, 2, 2, 2, 2, 2]
    assert "Out of memory with 10 tiles at once: continuing with 5" in caplog.text
    assert torch.equal(forward({"a": images}["a"][:3], {}), images[:3] * 2)
    with pytest.raises(torch.OutOfMemoryError):
        SplittingForward(Model(most=0))(images, {})


def test_outputs_of_parts_are_joined():
    def boxes(count):
        numbers = tuple(torch.zeros(number) for number in range(count))
        return Boxes(tuple(n[:, None].expand(-1, 4) for n in numbers), numbers, numbers)

    def detect(images, _facts):
        if len(images) > 2:
            raise torch.OutOfMemoryError
        return boxes(len(images))

    joined = SplittingForward(detect)(torch.zeros(5, 1, 2, 2), {})
    assert [len(each) for each in joined.boxes] == [0, 1, 0, 1, 0]
    assert joined.masks is None


def test_the_tensor_function_splits_batches():
    parameters = parse_tiled_inference_parameters(
        {"crop": 8, "stride": 4, "delta": 1, "batch_size": "auto"}
    )
    image = torch.rand(1, 2, 30, 30)
    model = Model(most=2)
    result = tiled_inference(model, image, inference_parameters=parameters)
    expected = tiled_inference(model, image, crop=8, stride=4, delta=1, batch_size=1)
    torch.testing.assert_close(result, expected)
    assert max(model.counts) > 2


@pytest.mark.parametrize("tiles", [None, {"crop": 8, "stride": 4, "delta": 1}])
def test_scenes_run_with_what_is_found(tiles, tmp_path):
    tiles = (
        None if tiles is None else parse_tiled_inference_parameters(tiles | {"batch_size": "auto"})
    )
    spec = InputSpec.create()
    paths = [
        write_tif(tmp_path / f"{name}.tif", np.full((2, *size), 7, np.int16))
        for name, size in (("a", (20, 30)), ("b", (30, 20)), ("c", (20, 30)))
    ]
    model = Model(most=3)
    predictor = ScenePredictor(
        open_reader=lambda path: SceneReader(path, spec),
        forward=SplittingForward(model),
        decide=lambda scores, name: Prediction.of_tensors({"prediction": scores[:, 0]}, [name]),
        device=CPU,
        tiles=tiles,
        batch_size="auto",
    )
    with PredictionFolder(tmp_path / "maps") as folder:
        report = predict_scenes(paths, predictor, folder, progress=False)
    assert len(report.written) == 3
    assert min(model.counts) <= 3


BASE = TiledInferenceParameters(h_crop=224, w_crop=224, h_stride=192, w_stride=192, delta=8)


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, {}),
        ({"stride": 100}, {"h_stride": 100, "w_stride": 100}),
        (
            {"crop": 512},
            {"h_crop": 512, "w_crop": 512, "h_stride": 448, "w_stride": 448, "delta": 16},
        ),
        (
            {"crop": 512, "stride": 500, "delta": 0},
            {"h_crop": 512, "w_crop": 512, "h_stride": 500, "w_stride": 500, "delta": 0},
        ),
        ({"h_crop": 64}, {"h_crop": 64, "h_stride": 56, "delta": 2}),
        ({"padding": False, "batch_size": "auto"}, {"padding": False, "batch_size": "auto"}),
    ],
    ids=str,
)
def test_options_take_the_place_of_parameters(options, changes):
    assert with_options(BASE, options) == replace(BASE, **changes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": 100, "stride": 200}, r"^h_stride: 200 is more than h_crop \(100\)"),
        ({"crop": 0}, "^h_crop: 0 is too small"),
        (
            {"batch_size": "many"},
            "^batch_size: 'many' is not a whole number. Give a number, or auto",
        ),
        ({"padding": "mirror"}, "^padding: 'mirror' is not a padding mode"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_used_is_named(options, message):
    with pytest.raises(ConfigurationError, match=message):
        with_options(BASE, options)
