"""A run of `terratorch fit` that several tests look at."""

from pathlib import Path
from typing import Any

import pytest
from cli_config import segmentation_config, write_config

from terratorch.cli.main import main

# What third parties warn of in every run of tiny data on this machine.
NOISE = (
    "ignore:.*LeafSpec.*",  # where the command line, which leaves it out, is not run
    "ignore:.*custom batch sampler `SameSizeBatches`.*",
    "ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning",  # as Lightning calls it
    "ignore:.*does not have many workers.*",
    "ignore:.*number of training batches.*logging interval.*",
    "ignore:.*exists and is not empty.*",
    "ignore:Use `@` matmul:PendingDeprecationWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the noise out of the tests of this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            for pattern in NOISE:
                item.add_marker(pytest.mark.filterwarnings(pattern))


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
