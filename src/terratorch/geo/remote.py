"""Rasters on servers and in archives: their names, and how GDAL reads them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path, PosixPath, WindowsPath
from urllib.parse import urlsplit

if sys.platform == "win32":
    _LocalPath = WindowsPath
else:
    _LocalPath = PosixPath

# By default GDAL waits forever, and gives up at the first error of a server. In seconds.
_SETTINGS = {
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
}
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_NETWORK = re.compile(r"(https?|ftp|s3|gs|az|oss)://|/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs)")


class VirtualPath(_LocalPath):
    """A URL, or another name that GDAL reads, among paths.

    It is not normalised, so that `//` stays, and a query does not belong to the name.

    Args:
        url: The URL, such as `https://HOST/scene.tif`, or `/vsizip//FOLDER/scenes.zip/scene.tif`.
    """

    url: str | None = None  # None for parents, which are made in other ways

    def __new__(cls, url: str) -> VirtualPath:
        """Make a path from a URL."""
        path: VirtualPath = super().__new__(cls, url)
        path.url = url
        return path

    def __str__(self) -> str:
        return self.url or super().__str__()

    def __fspath__(self) -> str:
        return str(self)

    def __reduce__(self) -> tuple[type[VirtualPath], tuple[str]]:
        return VirtualPath, (str(self),)

    def with_segments(self, *segments: str | os.PathLike[str]) -> Path:
        """Make parents and other derived paths plain ones, from Python 3.12 on."""
        return Path(*segments)

    @property
    def name(self) -> str:
        """The last part, without the query."""
        return Path(urlsplit(str(self)).path).name


def parse_path(text: str) -> Path:
    """Return a path, which may be a URL or another name that GDAL reads."""
    return VirtualPath(text) if is_virtual(text) else Path(text)


def is_virtual(path: str | Path) -> bool:
    """Return whether only GDAL can read it: a URL, or a file in an archive or a cloud."""
    return _URL.match(str(path)) is not None or str(path).startswith("/vsi")


def is_on_network(path: str | Path) -> bool:
    """Return whether the network is needed to read it."""
    return _NETWORK.match(str(path)) is not None


def network_settings() -> dict[str, str]:
    """Return GDAL's settings for the network, except those that the environment sets."""
    return {name: value for name, value in _SETTINGS.items() if name not in os.environ}
