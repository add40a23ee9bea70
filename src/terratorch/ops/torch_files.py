"""What files of `torch.save` are told by; torch is not needed for it."""

from __future__ import annotations

from pathlib import Path

# Of an archive, and of a pickle, which versions before 1.6 wrote.
_BEGINNINGS = (b"PK\x03\x04", b"\x80")


def is_of_torch(path: Path) -> bool:
    """Whether a file may be one of `torch.save`.

    Others would be taken for a program of the unpickler, which fails at random.
    """
    with path.open("rb") as file:
        return file.read(4).startswith(_BEGINNINGS)
