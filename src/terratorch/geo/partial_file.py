"""Files that are being written: under a temporary name, and locked, until they are complete.

The kernel releases a lock when its process ends, however it ends: an unlocked temporary file was
left behind, and another run may take it over. The lock is on the temporary file itself, and on
folders too, so that no other files remain after a kill. `filelock` would need a lock file for each
one, which would remain.

On file systems without locks process numbers decide instead, and only for files that were created
here: the process numbers of other machines and containers mean nothing.
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
from functools import cache, partial
from pathlib import Path

_SUFFIX = ".partial"
_PROCESSES = 2**22  # process numbers are lower
_TRIALS = 1024  # of finding a free name
_NAMESPACE = "/proc/self/ns/pid"  # differs between containers
_NO_LOCK = -1  # in place of a descriptor, on file systems without locks


class PartialFile:
    """A temporary file or folder that other runs do not touch until it is released.

    Args:
        path: Its temporary name.
        descriptor: The open file, which has the lock.
    """

    def __init__(self, path: Path, descriptor: int = _NO_LOCK) -> None:
        self.path = path
        self._descriptor = descriptor
        self._exists = True

    def publish(self, path: Path) -> None:
        """Give the file its final name."""
        os.replace(self.path, path)
        self._exists = False
        self.release()

    def replace_with(self, other: Path) -> None:
        """Replace its content with that of a file that no other run knows of."""
        descriptor = _lock(other)
        assert descriptor is not None, "no other run knows of the file"
        os.replace(other, self.path)
        self.release()
        self._descriptor = descriptor

    def remove(self) -> None:
        """Remove it, unless it is published."""
        if self._exists:
            _remove(self.path)
            self._exists = False
        self.release()

    def release(self) -> None:
        """Unlock it for other runs, unchanged."""
        if self._descriptor != _NO_LOCK:
            os.close(self._descriptor)
            self._descriptor = _NO_LOCK


def create(path: Path, make: Callable[[Path], None] | None = None) -> PartialFile:
    """Create an empty hidden temporary file in the folder of a file.

    Args:
        path: The final name.
        make: Creates it, by default as a file.

    Raises:
        OSError: If that is not possible.
    """
    make = make or partial(Path.touch, exist_ok=False)
    for name in itertools.islice(_names(path), _TRIALS):
        with suppress(FileExistsError):
            make(name)
            descriptor = _lock(name)
            if descriptor is not None:  # else another run is about to remove it
                return PartialFile(name, descriptor)
    raise FileExistsError(errno.EEXIST, "there are too many unfinished files", str(path))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file that gets its final name when the block ends without an error."""
    file = create(path)
    try:
        yield file.path
        file.publish(path)
    finally:
        file.remove()


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder within another, so that files can be moved; it is removed at the end."""
    temporary = create(folder / "products", Path.mkdir)
    try:
        yield temporary.path
    finally:
        temporary.remove()


def claim(path: Path) -> PartialFile | None:
    """Take over a temporary file that its run has left behind; None if it is in use or not ours.

    If two runs try at the same time, one of them succeeds.
    """
    number = number_of(path)
    descriptor = None if number is None else _lock(path)
    if number is None or descriptor is None:
        return None
    if descriptor == _NO_LOCK:
        return _claim_by_number(path, number)
    return PartialFile(path, descriptor)


def leftovers(folder: Path) -> list[Path]:
    """List the temporary files in a folder, including those that are being written."""
    return sorted(folder.glob(f".*{_SUFFIX}"))


def number_of(path: Path) -> int | None:
    """Return the number in the name of a temporary file, made of machine, trial and process.

    All layers of a map have the same. None for files of other programs.
    """
    number = path.name.removesuffix(_SUFFIX).rpartition(".")[2]
    return int(number) if number.isdecimal() else None


def name_with(number: int, path: Path) -> Path:
    """Return the temporary name of a file with a number."""
    return path.with_name(f".{path.name}.{number}{_SUFFIX}")


def _names(path: Path) -> Iterator[Path]:
    numbers = itertools.count(_machine() * _TRIALS * _PROCESSES + os.getpid(), _PROCESSES)
    return (name_with(number, path) for number in numbers)


@cache
def _machine() -> int:
    """Return a number for this machine since it was started, and for the container on it."""
    names = [socket.gethostname()]
    with suppress(OSError):  # not on Linux
        names += [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink(_NAMESPACE)]
    return int.from_bytes(hashlib.sha256("\0".join(names).encode()).digest()[:4])


def _lock(path: Path) -> int | None:
    """Lock a file or folder, and return its descriptor.

    Returns:
        None if another process has locked it, or it is gone or belongs to another user.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return _NO_LOCK if path.exists() else None
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, PermissionError, FileNotFoundError):
        pass  # it is locked, or was published or removed meanwhile
    except OSError:  # some file systems have no locks
        os.close(descriptor)
        return _NO_LOCK
    os.close(descriptor)
    return None


def _claim_by_number(path: Path, number: int) -> PartialFile | None:
    """Take over a file whose process ran here and ended, by renaming it to our number."""
    machine, process = number // (_TRIALS * _PROCESSES), number % _PROCESSES
    if machine != _machine() or _is_running(process):
        return None
    name = path.name.removesuffix(f".{number}{_SUFFIX}").removeprefix(".")
    ours = next(free for free in _names(path.with_name(name)) if not free.exists())
    try:
        path.rename(ours)
    except (FileNotFoundError, PermissionError):  # another run was first, or another user's file
        return None
    return PartialFile(ours)


def _is_running(process: int) -> bool:
    if sys.platform == "win32":
        return True  # there the question would interrupt it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(FileNotFoundError, PermissionError):  # removed by another run, or another user's
        path.unlink()
