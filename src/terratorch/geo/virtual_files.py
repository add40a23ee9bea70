"""Virtual rasters that only the process that spreads a prediction has: workers get them as text.

The bands or dates of a scene in several files are joined by a VRT, which is written to the folder
of temporary files. Other machines do not have that, but the files that it names.
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


# Ends a virtual raster that was put, which tells it from that of the process that spreads: a worker
# may be killed, and the one in its place removes the file.
_MARK = b"\n<!-- put here by a worker -->\n"


class VirtualFiles:
    """Files that are put where they are missing, and removed in the end.

    Workers of one machine share them: they all leave when everything is done.
    """

    def __init__(self) -> None:
        self._files: set[Path] = set()

    def put(self, contents: Mapping[Path, bytes]) -> None:
        """Write files where there are none; each appears when it is complete.

        Raises:
            OutputError: If one cannot be written.
        """
        for path, content in contents.items():
            marked = content + _MARK
            try:
                found = path.read_bytes() if path.exists() else None
                if found is not None and not found.endswith(_MARK):
                    continue
                self._files.add(path)
                if found != marked:
                    _write(path, marked)
            except OSError as error:
                raise OutputError(
                    str(path),
                    f"it cannot be written on {socket.gethostname()} ({error.strerror or error})",
                    "It joins the files of a scene: set TMPDIR to a folder that all machines have.",
                ) from error

    def remove(self) -> None:
        """Remove what workers have put, and the folders of these files where they are empty."""
        for path in self._files:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in self._files} - {Path(tempfile.gettempdir())}:
            with suppress(OSError):  # there are other files, or another worker was faster
                folder.rmdir()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_bytes(content)
