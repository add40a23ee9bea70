"""Copy virtual rasters to the workers of a distributed prediction.

The bands or dates of a scene in several files are joined by a VRT in the folder of temporary files,
which other machines do not share. They do share the files that it names.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from terratorch.errors import OutputError
from terratorch.geo.partial_file import replacing


def read_virtual_files(paths: Iterable[Path]) -> dict[Path, bytes]:
    """Return the content of those files that are virtual rasters among the temporary files."""
    temporary = tempfile.gettempdir()
    return {
        path: path.read_bytes()
        for path in paths
        if path.suffix == ".vrt" and path.is_relative_to(temporary)
    }


# Ends a copy, and distinguishes it from the original: if a worker is killed, the one that replaces
# it removes the file.
_MARK = b"\n<!-- put here by a worker -->\n"


class VirtualFiles:
    """Files that are written if they are missing, and removed at the end.

    Workers of one machine share them: all of them end at the same time.
    """

    def __init__(self) -> None:
        self._files: set[Path] = set()

    def put(self, contents: Mapping[Path, bytes]) -> None:
        """Write missing files; each appears when it is complete.

        Raises:
            OutputError: If one cannot be written.
        """
        for path, content in contents.items():
            marked = content + _MARK
            try:
                current = path.read_bytes() if path.exists() else None
                if current is not None and not current.endswith(_MARK):
                    continue
                self._files.add(path)
                if current != marked:
                    _write(path, marked)
            except OSError as error:
                raise OutputError(
                    str(path),
                    f"it cannot be written on {socket.gethostname()} ({error.strerror or error})",
                    "It joins the files of a scene: set TMPDIR to a folder that all machines have.",
                ) from error

    def remove(self) -> None:
        """Remove the files, and their folders if they are empty."""
        for path in self._files:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in self._files} - {Path(tempfile.gettempdir())}:
            with suppress(OSError):  # it has other files, or another worker was faster
                folder.rmdir()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_bytes(content)
