"""Recognise files of `torch.save`, without importing torch."""

from __future__ import annotations

from pathlib import Path

# First bytes of an archive, and of a pickle, which versions before 1.6 wrote.
_BEGINNINGS = (b"PK\x03\x04", b"\x80")


def is_of_torch(path: Path) -> bool:
    """Return whether a file may be one of `torch.save`.

    The unpickler would run other files as a program and fail at random.
    """
    with path.open("rb") as file:
        return file.read(4).startswith(_BEGINNINGS)
