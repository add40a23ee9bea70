"""A run of `terratorch fit` that several tests look at."""

from pathlib import Path
from typing import Any

import pytest
from cli_config import segmentation_config, write_config

from terratorch.cli.main import main

# What Lightning warns of where runs share a folder.
NOISE = "ignore:.*exists and is not empty"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the noise out of the tests of this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings(NOISE))


@pytest.fixture
def config(segmentation_folder: Path, tmp_path: Path) -> dict[str, Any]:
    """Return a configuration that trains in a second, with its output in `tmp_path / "run"`."""
    return segmentation_config(segmentation_folder, tmp_path / "run")


@pytest.fixture(scope="session")
def fitted(segmentation_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of `fit`: `config.yaml` and `checkpoints`. Do not write to it."""
    folder = tmp_path_factory.mktemp("fitted")
    path = write_config(folder / "given.yaml", segmentation_config(segmentation_folder, folder))
    assert main(["fit", "-c", path]) == 0
    return folder
