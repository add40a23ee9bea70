"""Fixtures that several test folders use: tiny folders of GeoTIFF chips."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from chip_files import write_classification_folder, write_segmentation_folder
from terratorch.logs import forget_messages

# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("terratorch", deadline=None)
settings.load_profile("terratorch")

# As they are before any test: fixtures of a session run commands as well.
_LOGGERS = {
    logger: (logger.level, logger.propagate, list(logger.handlers))
    for logger in map(logging.getLogger, ("terratorch", "terratorch.models.assembly"))
}


@pytest.fixture(autouse=True)
def _messages_are_new() -> None:
    """Let messages that are logged once be logged in each test."""
    forget_messages()


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    """Undo what a command that runs in the process of the tests sets up for a terminal."""
    _put_back()  # what a fixture of the session has set up
    yield
    _put_back()


def _put_back() -> None:
    for logger, (level, propagate, handlers) in _LOGGERS.items():
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers


@pytest.fixture(scope="session")
def segmentation_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 4 chips of 6 bands, 32 x 32, with masks of 3 classes. Do not write to it.

    `img_grep` is `*_merged.tif`, `label_grep` is `*.mask.tif`.
    """
    return write_segmentation_folder(tmp_path_factory.mktemp("segmentation"))


@pytest.fixture(scope="session")
def classification_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the classes `forest` and `water`, 3 chips each. Do not write to it."""
    return write_classification_folder(tmp_path_factory.mktemp("classification"))
