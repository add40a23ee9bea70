"""What a run says on the terminal: our own messages, and of Lightning's what concerns the user."""

from __future__ import annotations

import logging
import sys
import warnings

_ADVERTISING = "💡 Tip:"


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """Write to what `sys.stderr` is at that moment, as a progress bar may have replaced it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def set_up_logging() -> None:
    """Show our messages from INFO on, and leave out what does not concern the user."""
    # Lightning 2.6 calls what newer versions of torch call otherwise, at every epoch.
    warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
    warnings.filterwarnings("ignore", ".*LeafSpec.*", DeprecationWarning)
    # Our own sampler gives every image; Lightning cannot know.
    warnings.filterwarnings("ignore", ".*custom batch sampler `SameSizeBatches`.*", UserWarning)
    ours = logging.getLogger("terratorch")
    if not any(isinstance(handler, _Handler) for handler in ours.handlers):
        handler = _Handler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        ours.addHandler(handler)
        ours.setLevel(logging.INFO)
        ours.propagate = False
        for name in (
            "lightning.pytorch.utilities.rank_zero",
            "lightning.fabric.utilities.rank_zero",
        ):
            logging.getLogger(name).addFilter(_not_advertising)


def _not_advertising(record: logging.LogRecord) -> bool:
    return _ADVERTISING not in record.getMessage()
