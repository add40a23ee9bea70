"""Every type of output is stored, read back, drawn and summarised; a new row adds a line here."""

from contextlib import suppress
from dataclasses import fields

import numpy as np
import pytest
import torch
from PIL import Image

from chip_files import write_tif
from terratorch.contracts.outputs import (
    Boxes,
    Content,
    PatchVectors,
    Raster,
    Table,
    Vectors,
)
from terratorch.contracts.prediction import Prediction
from terratorch.errors import ConfigurationError, DataError
from terratorch.prediction.maps.encoding import MapOptions
from terratorch.prediction.outputs.folder import PredictionFolder
from terratorch.prediction.outputs.types import OUTPUT_TYPES
from terratorch.prediction.products.products import Products
from terratorch.prediction.products.quicklook import QuicklookProduct

NAMES = ["water", "forest", "built"]
SIZE = (20, 30)
BOXES = torch.tensor([[2.0, 3.0, 9.5, 8.0], [12.0, 1.0, 20.0, 19.0]])
MASKS = (torch.ones(5, 8, dtype=torch.bool), torch.tril(torch.ones(18, 8)) > 0)


def values(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def boxes(masks=None):
    scores, labels = torch.tensor([0.75, 0.5]), torch.tensor([2, 0])
    return Boxes((BOXES,), (scores,), (labels,), None if masks is None else (masks,))


# Each type of output, in each form that its files may have.
SAMPLES = {
    "classes": Raster((values(1, *SIZE) * 3).long(), Content.CLASSES),
    "probabilities": Raster(values(1, 3, *SIZE).softmax(1), Content.PROBABILITIES, tuple(NAMES)),
    "values": Raster(values(1, *SIZE), Content.VALUES),
    "labels": Table(torch.tensor([2]), Content.CLASSES),
    "boxes": boxes(),
    "instances": boxes(MASKS),
    "patches": PatchVectors(values(1, 5, 5, 8), 4),
    "vectors": Vectors(values(1, 5)),
}


@pytest.fixture(params=SAMPLES, ids=str)
def output(request):
    return SAMPLES[request.param]


def row_of(output):
    return OUTPUT_TYPES[type(output)]


def written(output, folder, options=None):
    image = write_tif(folder / "image.tif", np.full((3, *SIZE), 100, np.int16))
    products = Products(of_maps=[QuicklookProduct()], strict=True)
    prediction = Prediction({"prediction": output}, [str(image)], None, NAMES)
    with PredictionFolder(folder / "out", None, options, products) as files:
        (path,) = files.write(prediction)
    return path


def assert_same(first, second):
    assert type(first) is type(second)
    for field in fields(first):
        ours, theirs = getattr(first, field.name), getattr(second, field.name)
        tensors = (_tensors(ours), _tensors(theirs))
        assert len(tensors[0]) == len(tensors[1])
        for one, other in zip(*tensors, strict=True):
            assert torch.equal(one.double(), other.double()), field.name
        if not tensors[0] and field.name != "band_names":
            assert ours == theirs, field.name


def _tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, tuple):
        return [tensor for part in value for tensor in _tensors(part)]
    return []


def test_each_type_has_a_sample():
    assert {type(sample) for sample in SAMPLES.values()} == set(OUTPUT_TYPES)


def test_it_is_read_back_as_it_was_in_every_format(output, tmp_path):
    for form in row_of(output).formats:
        path = written(output, tmp_path / form, MapOptions(format=form))
        assert_same(row_of(output).read(path), output)
        assert not list(path.parent.glob(".*"))


def test_it_is_drawn(output, tmp_path):
    path = written(output, tmp_path)
    if row_of(output).formats == ("csv",):
        return  # a table of labels has no picture
    with Image.open(path.with_suffix(".png")) as picture:
        pixels = np.asarray(picture)
    assert min(pixels.shape[:2]) > 50
    assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 3


def test_it_is_summarised_and_painted(output):
    row = row_of(output)
    figures = row.summarise([output, output], NAMES)
    assert figures
    assert all(isinstance(text, str) for text in figures.values())
    if row.paint is not None:
        image = np.zeros((*SIZE, 3), np.uint8)
        painted = row.paint(output, image, 1.0, NAMES)
        assert painted.shape == image.shape
        assert painted.any()


def test_an_image_of_a_batch_is_a_batch_of_one(output):
    one = output.image(0)
    assert len(one) == 1
    assert_same(one, output)
    assert_same(output.map(torch.clone), output)


def test_python_gets_what_the_file_holds(output):
    got = row_of(output).in_python(Prediction({"prediction": output}, ["a.tif"], None, NAMES))
    assert isinstance(got, torch.Tensor | Boxes)


def test_an_error_leaves_no_file(output, tmp_path):
    image = write_tif(tmp_path / "image.tif", np.full((3, *SIZE), 100, np.int16))
    prediction = Prediction({"prediction": output}, [str(image)], None, NAMES)
    damaged = Prediction({"prediction": output}, [str(tmp_path / "none.tif")], None, NAMES)
    folder = PredictionFolder(tmp_path / "out")
    with pytest.raises(RuntimeError, match="stop"), folder:
        stop(folder, prediction, damaged)
    finished = {file.name for file in (tmp_path / "out").iterdir()}
    assert finished <= {"image_pred.tif", "image_pred.gpkg"}


def stop(folder, prediction, damaged):
    folder.write(prediction)
    with suppress(DataError):
        folder.write(damaged)
    raise RuntimeError("stop")


@pytest.mark.parametrize("name", ["out_dtype", "mosaic", "uncertainty", "distributed"])
def test_options_of_other_types_are_refused(output, name):
    row = row_of(output)
    if name in row.options:
        row.check_option(name, "anything")
        return
    with pytest.raises(ConfigurationError, match=f"{name}: anything, but predictions are written"):
        row.check_option(name, "anything")
