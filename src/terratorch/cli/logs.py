"""What a run says on the terminal: our own messages, and of others what concerns the user."""

from __future__ import annotations

import logging
import sys
import warnings

_ADVERTISING = "💡 Tip:"

# Warnings of others that the user can do nothing about.
_NOISE = (
    # Lightning 2.6 uses what newer versions of torch call otherwise, at every epoch.
    ".*LeafSpec.*",
    # Our own sampler gives every image; Lightning cannot know.
    ".*custom batch sampler `SameSizeBatches`.*",
    # A test or prediction needs no state of the callbacks of the training.
    ".*callbacks used to create the checkpoint need to be provided.*",
    # The best checkpoint of a training that goes on elsewhere begins anew; the end names it.
    "The dirpath has changed.*",
)


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """Write to what `sys.stderr` is at that moment, as a progress bar may have replaced it."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(lambda record: _ADVERTISING not in record.getMessage())

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def set_up_logging() -> None:
    """Show our messages from INFO on, and leave out what does not concern the user."""
    for message in _NOISE:
        warnings.filterwarnings("ignore", message)
    _show("terratorch")


def show_lightning_messages() -> None:
    """Show Lightning's messages without its advertising; to be called once it is imported."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        _show(name)
        logging.getLogger(name).propagate = False  # "lightning" has a handler too


def _show(name: str) -> None:
    logger = logging.getLogger(name)
    logger.handlers = [_Handler()]  # Lightning gives its loggers one each
    logger.setLevel(logging.INFO)
