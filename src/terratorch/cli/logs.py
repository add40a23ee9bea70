"""What a run says on the terminal: our own messages, and of Lightning's what concerns the user."""

from __future__ import annotations

import logging
import sys

_ADVERTISING = "💡 Tip:"


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """Write to what `sys.stderr` is at that moment, as a progress bar may have replaced it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def set_up_logging() -> None:
    """Show our messages from INFO on, and leave out Lightning's advertising."""
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
