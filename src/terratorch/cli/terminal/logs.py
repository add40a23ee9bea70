"""The messages of a run on the terminal: ours, and those of others that concern the user."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Messages of Lightning that do not concern the run: advertising, and the available hardware, which
# it also warns about if it is not used.
_NOT_SHOWN = ("💡 Tip:", "GPU available:", "TPU available:")

# Warnings that the user cannot act on.
_NOISE = (
    # Lightning 2.6 uses a name that newer versions of torch deprecate, at every epoch.
    ".*LeafSpec.*",
    # Our sampler yields every image, which Lightning cannot know.
    ".*custom batch sampler `SameSizeBatches`.*",
    # A test or prediction needs no state of the callbacks of the training.
    ".*callbacks used to create the checkpoint need to be provided.*",
    # A training that resumes in another folder compares its own checkpoints only.
    "The dirpath has changed.*",
    # Files get a number if their name exists, and the end of a training names them.
    "Checkpoint directory .* exists and is not empty.*",
    # Names of bands are read back as text, as intended.
    r"\s*Dump of a value that does not round-trip: a \w*Bands is.*",
    # Metrics are logged at the end of an epoch, however few steps it has.
    ".*is smaller than the logging interval.*",
)
# The choices of the factory matter for a new model; later it is the one that was trained.
_MODEL_BUILDING = "terratorch.models.assembly"
_LIGHTNING = ("lightning.pytorch", "lightning.fabric")


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """Write to the current `sys.stderr`, which a progress bar may have replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(_is_shown)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _is_shown(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not any(part in message for part in _NOT_SHOWN)


def set_up_logging() -> None:
    """Show our messages from INFO on, and ignore warnings that do not concern the user."""
    _ignore_noise()
    _show("terratorch")


def _ignore_noise() -> None:
    for message in _NOISE:
        warnings.filterwarnings("ignore", message)


def show_how_models_are_built(shown: bool) -> None:
    """Show or hide what the factory chose for a model, such as its necks."""
    logging.getLogger(_MODEL_BUILDING).setLevel(logging.INFO if shown else logging.WARNING)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Hide messages of Lightning below a warning while the block runs."""
    loggers = [logging.getLogger(name) for name in _LIGHTNING]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        _ignore_noise()
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def show_lightning_messages() -> None:
    """Show Lightning's messages without its advertising. Call it after the import of Lightning."""
    for name in _LIGHTNING:
        _show(name)
        logging.getLogger(name).propagate = False  # "lightning" has a handler too


def _show(name: str) -> None:
    logger = logging.getLogger(name)
    logger.handlers = [_Handler()]  # Lightning gives its loggers one each
    logger.setLevel(logging.INFO)
