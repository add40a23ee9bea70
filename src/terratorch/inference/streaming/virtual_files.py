"""Virtual rasters that only the process that spreads a prediction has: workers get them as text.

The bands or dates of a scene in several files are joined by a VRT, which is written to the folder
of temporary files. Other machines do not have that, but the files that it names.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from terratorch.errors import OutputError


def read_virtual_files(paths: Iterable[Path]) -> dict[Path, bytes]:
    """Return the content of those files that are virtual rasters among the temporary files."""
    temporary = tempfile.gettempdir()
    return {
        path: path.read_bytes()
        for path in paths
        if path.suffix == ".vrt" and path.is_relative_to(temporary)
    }


class VirtualFiles:
    """Files that are put where they are missing, and removed in the end.

    Processes of one machine may put the same ones.
    """

    def __init__(self) -> None:
        self._files: list[Path] = []
        self._folders: list[Path] = []

    def put(self, contents: Mapping[Path, bytes]) -> None:
        """Write files where there are none; each appears when it is complete.

        Raises:
            OutputError: If one cannot be written.
        """
        for path, content in contents.items():
            if path.exists():
                continue
            try:
                self._write(path, content)
            except OSError as error:
                raise OutputError(
                    str(path),
                    f"it cannot be written on {socket.gethostname()} ({error.strerror or error})",
                    "It joins the files of a scene: set TMPDIR to a folder that all machines have.",
                ) from error

    def _write(self, path: Path, content: bytes) -> None:
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.append(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent)
        part = Path(name)
        try:
            with open(handle, "wb") as file:
                file.write(content)
            with suppress(FileExistsError):  # another process was faster
                os.link(part, path)
                self._files.append(path)
        finally:
            part.unlink()

    def remove(self) -> None:
        """Remove what was written here, and folders that were made for it."""
        for path in self._files:
            path.unlink(missing_ok=True)
        for folder in self._folders:
            with suppress(OSError):  # another process has files there
                folder.rmdir()
