"""Why a file could not be written: libraries do not always report a full disk."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

_FULL = 2**16  # free bytes of a disk that counts as full


def why_not_written(folder: Path, error: BaseException) -> str:
    """Return the reason of an error, in words.

    Args:
        folder: The folder of the file.
        error: What was raised.
    """
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    cause = error if isinstance(error, OSError) and error.strerror else error.__cause__ or error
    reason = getattr(cause, "strerror", None) or str(cause).strip() or type(cause).__name__
    with suppress(OSError):
        if shutil.disk_usage(folder).free < _FULL and "space left" not in reason:
            return f"the disk is full: {reason}"
    return str(reason)
