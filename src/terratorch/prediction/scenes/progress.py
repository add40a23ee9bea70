"""Progress of a prediction: a bar on a terminal, or a line every 30 s in a log file."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 30.0


class TileProgress:
    """Counts tiles; use it as a context manager.

    Args:
        total: All tiles.
        shown: Whether there is a bar on a terminal.
    """

    def __init__(self, total: int, shown: bool = True) -> None:
        self.total, self.done = total, 0
        self._start = self._logged_at = time.monotonic()
        self._bar: Any = _bar() if shown and total > 1 and sys.stderr.isatty() else None
        self._task: Any = None

    def __enter__(self) -> TileProgress:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("Predicting", total=self.total, rate=0.0)
        return self

    def __call__(self, count: int) -> None:
        """Count finished tiles."""
        self.done += count
        now = time.monotonic()
        rate = self.done / max(now - self._start, 1e-9)
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, rate=rate)
        elif self.done and now - self._logged_at > _SECONDS_BETWEEN_LINES:
            self._logged_at = now
            left = (self.total - self.done) / rate
            logger.info(
                "%d of %d tiles, %.1f tiles/s, %.0f s left", self.done, self.total, rate, left
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("tiles, {task.fields[rate]:.1f} tiles/s,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
    )
