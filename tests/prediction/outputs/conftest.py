"""Fixtures for tests of the types of output."""

import output_parts  # noqa: F401  # puts the folder of own_outputs on the path
import own_outputs
import pytest
from output_parts import SPEC, objects_scene

from terratorch.prediction.predictor import Predictor


@pytest.fixture
def scene(tmp_path):
    return objects_scene(tmp_path / "scenes/scene.tif")


@pytest.fixture
def predictor():
    def build(name, **arguments):
        task = getattr(own_outputs, name)(**arguments).eval()
        return Predictor.from_task(task, SPEC)

    return build
