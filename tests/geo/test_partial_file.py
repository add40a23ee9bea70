"""Temporary files belong to who holds them, whatever the number of their process."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from terratorch.geo import partial_file
from terratorch.geo.partial_file import (
    claim,
    create,
    leftovers,
    name_with,
    number_of,
    replacing,
    temporary_folder,
)
from terratorch.prediction.maps.encoding import Encoding
from terratorch.prediction.maps.writer import Georeference, MapWriter
from terratorch.prediction.partial import remove_leftovers

fcntl = pytest.importorskip("fcntl")


@pytest.fixture
def no_locks(monkeypatch):
    def refuse(_descriptor, _operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.fixture(autouse=True)
def here():
    """Find out anew where we are."""
    yield
    partial_file._machine.cache_clear()


def left(folder, number) -> Path:
    path = name_with(number, folder / "map.tif")
    path.write_text("rows")
    return path


def number_here(process) -> int:
    """The number that a process of this machine gives its files."""
    places = partial_file._PROCESSES * partial_file._TRIALS
    return partial_file._machine() * places + process


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        return dead.pid


def test_a_file_is_held_from_its_creation_to_its_end(tmp_path):
    held = create(tmp_path / "map.tif")
    assert held.path.name == f".map.tif.{number_here(os.getpid())}.partial"
    assert claim(held.path) is None
    held.publish(tmp_path / "map.tif")
    held.remove()  # does nothing to what has its name
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]


def test_files_of_one_name_get_numbers_of_their_own(tmp_path):
    first, second = create(tmp_path / "map.tif"), create(tmp_path / "map.tif")
    assert first.path != second.path
    second.remove()
    assert leftovers(tmp_path) == [first.path]
    first.remove()
    assert leftovers(tmp_path) == []


def test_of_two_who_claim_a_file_one_gets_it(tmp_path):
    path = left(tmp_path, os.getpid())
    one = claim(path)
    assert one is not None
    assert claim(path) is None
    one.release()
    other = claim(path)
    assert other is not None
    other.remove()
    assert claim(path) is None


def test_a_file_that_was_replaced_meanwhile_is_not_claimed(tmp_path, monkeypatch):
    path = left(tmp_path, 1)
    lock = fcntl.flock

    def late(descriptor, operation):
        path.rename(tmp_path / "map.tif")
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    assert claim(path) is None


def test_a_folder_is_held_too(tmp_path):
    with temporary_folder(tmp_path) as first, temporary_folder(tmp_path) as second:
        assert first != second
        assert claim(first) is None
        (first / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_a_file_whose_writing_fails_is_removed(tmp_path):
    def write():
        with replacing(tmp_path / "map.png") as path:
            path.write_text("half")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["gtiff", "cog"])
def test_a_map_is_held_while_gdal_writes_it(form, tmp_path, monkeypatch):
    publish = os.replace
    tried = []

    def watched(source, target):
        tried.extend(claim(path) for path in leftovers(tmp_path))
        publish(source, target)
        tried.extend(claim(path) for path in leftovers(tmp_path))

    monkeypatch.setattr(os, "replace", watched)
    reference = Georeference("scene.tif", 600, 20)
    encoding = Encoding("uint8", ("class",), format=form)
    with MapWriter(tmp_path / "map.tif", reference, encoding) as writer:
        writer.write_rows(0, torch.zeros(1, 512, 20, dtype=torch.int64))
        writer.save()
        tried.extend(claim(path) for path in leftovers(tmp_path))
        writer.write_rows(512, torch.zeros(1, 88, 20, dtype=torch.int64))
    assert len(tried) >= 2
    assert set(tried) == {None}
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]


def test_without_locks_numbers_decide(no_locks, tmp_path):
    path = left(tmp_path, number_here(dead_process()))
    held = claim(path)
    assert held is not None
    assert number_of(held.path) == number_here(os.getpid())
    assert held.path.read_text() == "rows"
    assert claim(path) is None  # the second of two is too late
    assert claim(left(tmp_path, number_here(os.getppid()))) is None
    new = create(tmp_path / "other.tif")
    new.publish(tmp_path / "other.tif")
    assert (tmp_path / "other.tif").exists()


def test_without_locks_what_is_being_written_here_is_not_claimed(no_locks, tmp_path):
    held = create(tmp_path / "map.tif")
    assert claim(held.path) is None
    remove_leftovers(tmp_path)
    assert held.path.exists()


@pytest.mark.parametrize("where", ["machine", "container", "boot"])
def test_without_locks_files_of_other_machines_and_containers_are_left_alone(
    where, no_locks, tmp_path, monkeypatch
):
    process = dead_process()
    path = left(tmp_path, number_here(process))
    if where == "machine":
        monkeypatch.setattr(partial_file.socket, "gethostname", lambda: "node-7")
    elif where == "container":
        monkeypatch.setattr(partial_file.os, "readlink", lambda _path: "pid:[1]")
    else:
        monkeypatch.setattr(Path, "read_text", lambda _path: "a boot")
    partial_file._machine.cache_clear()
    assert claim(path) is None
    remove_leftovers(tmp_path)
    assert path.exists()
    assert claim(left(tmp_path, number_here(process))) is not None


def test_files_of_other_programs_are_none_of_ours(tmp_path):
    path = tmp_path / ".download.partial"
    path.touch()
    assert claim(path) is None
