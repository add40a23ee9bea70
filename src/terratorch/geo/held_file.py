"""Files that are being written: under a name of their own, and locked, until they are complete.

The kernel lets go of a lock when its process ends, whatever ends it: a temporary file that nobody
has locked was left behind. Process numbers would not tell, as they are given again. They decide
only where there are no locks, and only of files that were made here: the numbers of other machines
and containers say nothing.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_SUFFIX = ".partial"
_PROCESSES = 2**22  # numbers of processes are lower
_TRIALS = 1024  # of a name that nobody has

_NAMESPACE = "/proc/self/ns/pid"  # names the processes that share numbers

_UNLOCKED = -1  # in place of a descriptor, where there are no locks


class HeldFile:
    """A temporary file, or folder, that no other run touches until it is let go of.

    Args:
        path: Where it is.
        descriptor: Of the open file, which has the lock.
    """

    def __init__(self, path: Path, descriptor: int = _UNLOCKED) -> None:
        self.path = path
        self._descriptor = descriptor
        self._is_there = True

    def publish(self, path: Path) -> None:
        """Give the file its final name."""
        os.replace(self.path, path)
        self._is_there = False
        self.release()

    def replace_with(self, other: Path) -> None:
        """Put another file, of which nobody knows, in its place."""
        descriptor = _locked(other)
        assert descriptor is not None, "nobody else knows of the file"
        os.replace(other, self.path)
        self.release()
        self._descriptor = descriptor

    def remove(self) -> None:
        """Remove it, unless it has its final name."""
        if self._is_there:
            _remove(self.path)
            self._is_there = False
        self.release()

    def release(self) -> None:
        """Leave it to others, as it is."""
        if self._descriptor != _UNLOCKED:
            os.close(self._descriptor)
            self._descriptor = _UNLOCKED


def create(path: Path, make: Callable[[Path], None] | None = None) -> HeldFile:
    """Create an empty temporary file in the folder of a file, out of sight.

    Args:
        path: The final name.
        make: Creates it; None creates a file.

    Raises:
        OSError: If that is not possible.
    """
    make = make or _make_file
    for partial in itertools.islice(_names(path), _TRIALS):
        with suppress(FileExistsError):
            make(partial)
            descriptor = _locked(partial)
            if descriptor is not None:  # else another run is about to remove it
                return HeldFile(partial, descriptor)
    raise FileExistsError(errno.EEXIST, "there are too many unfinished files", str(path))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file that gets its final name when the block ends."""
    held = create(path)
    try:
        yield held.path
        held.publish(path)
    finally:
        held.remove()


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """Give a folder within another, so that files can be moved; it is removed in the end."""
    held = create(folder / "products", Path.mkdir)
    try:
        yield held.path
    finally:
        held.remove()


def claim(path: Path) -> HeldFile | None:
    """Take over a temporary file that its run has left behind; None if it is not ours to take.

    Of two runs that try at the same time one gets it.
    """
    number = number_of(path)
    descriptor = None if number is None else _locked(path)  # without a number it is none of ours
    if number is None or descriptor is None:
        return None
    if descriptor == _UNLOCKED:
        return _claim_by_number(path, number)
    return HeldFile(path, descriptor)


def leftovers(folder: Path) -> list[Path]:
    """List the temporary files in a folder, those that are being written among them."""
    return sorted(folder.glob(f".*{_SUFFIX}"))


def number_of(path: Path) -> int | None:
    """Return the number in the name of a temporary file: of place, trial and process.

    All layers of a map have the same. None where it is no file of ours.
    """
    number = path.name.removesuffix(_SUFFIX).rpartition(".")[2]
    return int(number) if number.isdecimal() else None


def name_with(number: int, path: Path) -> Path:
    """Return the name of the temporary file of a file with a number."""
    return path.with_name(f".{path.name}.{number}{_SUFFIX}")


def _names(path: Path) -> Iterator[Path]:
    numbers = itertools.count(_place() * _TRIALS * _PROCESSES + os.getpid(), _PROCESSES)
    return (name_with(number, path) for number in numbers)


@cache
def _place() -> int:
    """Return a number for where processes have numbers of their own.

    That is this machine since it was started or, where it runs containers, one of these.
    """
    place = [socket.gethostname()]
    with suppress(OSError):  # not on Linux
        place += [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink(_NAMESPACE)]
    digest = hashlib.sha256("\0".join(place).encode()).digest()
    return int.from_bytes(digest[:4])


def _make_file(path: Path) -> None:
    path.touch(exist_ok=False)


def _locked(path: Path) -> int | None:
    """Lock a file or folder, and return its descriptor.

    Returns:
        None if another process has locked it, or it is gone or of another user.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return _UNLOCKED if path.exists() else None
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        return None
    except OSError:  # some file systems have no locks
        os.close(descriptor)
        return _UNLOCKED
    if not _is_same(descriptor, path):  # it got its final name, or was removed, meanwhile
        os.close(descriptor)
        return None
    return descriptor


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _claim_by_number(path: Path, number: int) -> HeldFile | None:
    """Take over a file whose process was here and is gone: it gets the number of this one."""
    place, process = number // (_TRIALS * _PROCESSES), number % _PROCESSES
    if place != _place() or _is_alive(process):
        return None
    name = path.name.removesuffix(f".{number}{_SUFFIX}").removeprefix(".")
    ours = next(free for free in _names(path.with_name(name)) if not free.exists())
    try:
        path.rename(ours)
    except (FileNotFoundError, PermissionError):  # another run was first, or it is of another user
        return None
    return HeldFile(ours)


def _is_alive(process: int) -> bool:
    if sys.platform == "win32":
        return True  # there to ask would be to interrupt it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(FileNotFoundError, PermissionError):  # removed by others, or theirs
        path.unlink()
