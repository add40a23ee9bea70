"""How many tiles go through the model at once, where that is to be found out: `auto`."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from terratorch.contracts.images import Images, each_image

logger = logging.getLogger(__name__)

_MOST = 64  # more tiles at once have not been seen to be faster
_GAIN = 1.05  # by which twice as many tiles have to be faster to be worth their memory
_SHARE = 0.6  # of the memory that is free, as the canvas and what is read ahead need some too
_MODEST = 4.0 * 2**30  # bytes, where it is not known what there is
_CGROUP = Path("/sys/fs/cgroup")

Forward = Callable[[Images, Mapping[str, Images]], Any]


def find_batch_size(
    forward: Forward,
    tile: Images,
    extras: Mapping[str, Images],
    device: torch.device | None,
    most: int = _MOST,
) -> int:
    """Return how many tiles at once are fastest of those that fit in the memory.

    The number is doubled for as long as that is faster by a twentieth and fits.

    Args:
        forward: The model.
        tile: What it sees of one tile, a batch of one.
        extras: Its further inputs, batches of one.
        device: Where it runs; None for where the tile is.
        most: How many tiles there are.
    """
    best, best_rate = 1, 0.0
    memory = _Memory(device)
    count = 1
    while count <= min(most, _MOST) and memory.fits(count):
        try:
            seconds = _timed(forward, tile, extras, device, count, warm=count == 1)
        except torch.OutOfMemoryError:
            release_memory()
            break
        memory.took(count)
        if count / seconds < best_rate * _GAIN:
            break
        best, best_rate = count, count / seconds
        count *= 2
    logger.info("batch_size auto: %d tiles at once (%.3g tiles/s)", best, best_rate)
    return best


@dataclass
class MemoryLimit:
    """What is known of how many tiles the memory holds.

    Attributes:
        most: Tiles at once; None where it has held all that came.
    """

    most: int | None = None


class SplittingForward:
    """A model that takes fewer tiles at once when the memory does not hold them all.

    Args:
        forward: The model.
        limit: What is known of the memory; it is kept up to date.
    """

    def __init__(self, forward: Forward, limit: MemoryLimit | None = None) -> None:
        self.forward = forward
        self.limit = MemoryLimit() if limit is None else limit

    def __call__(self, images: Images, extras: Mapping[str, Images]) -> Any:
        """Return the output for a batch; in parts once a batch was too large."""
        count = _count(images)
        while True:
            most = min(self.limit.most or count, count)
            try:
                if most == count:
                    return self.forward(images, extras)
                parts = (self._part(images, extras, at, most) for at in range(0, count, most))
                return torch.cat(list(parts))
            except torch.OutOfMemoryError:
                if most == 1:
                    raise
            # Outside of the `except`: the error holds on to what was computed.
            self.limit.most = fewer = most // 2
            logger.warning("Out of memory with %d tiles at once: going on with %d", most, fewer)
            release_memory()

    def _part(self, images: Images, extras: Mapping[str, Images], at: int, most: int) -> Any:
        def part(whole: Tensor) -> Tensor:
            return whole[at : at + most]

        parts = {name: each_image(value, part) for name, value in extras.items()}
        return self.forward(each_image(images, part), parts)


def _count(images: Images) -> int:
    return len(images if isinstance(images, Tensor) else next(iter(images.values())))


def _timed(
    forward: Forward,
    tile: Images,
    extras: Mapping[str, Images],
    device: torch.device | None,
    count: int,
    warm: bool,
) -> float:
    """Return the seconds of a pass of this many copies of a tile."""

    def copies(of_one: Tensor) -> Tensor:
        return torch.cat([of_one] * count).to(device)

    images = each_image(tile, copies)
    others = {name: each_image(value, copies) for name, value in extras.items()}
    if warm:  # the first pass sets up what the others use
        forward(images, others)
        _wait(device)
    start = time.perf_counter()
    forward(images, others)
    _wait(device)
    return max(time.perf_counter() - start, 1e-9)


def _wait(device: torch.device | None) -> None:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def release_memory() -> None:
    """Give memory of GPUs back that is kept for later, so that others may have it."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class _Memory:
    """What memory there was before the first pass, and what passes have taken of it."""

    def __init__(self, device: torch.device | None) -> None:
        self._device = device if device is not None and device.type == "cuda" else None
        self._free = _SHARE * self._free_bytes()
        if self._device is not None:
            torch.cuda.reset_peak_memory_stats(self._device)
        self._before = self._highest_bytes()
        self._of_one = 0.0

    def fits(self, count: int) -> bool:
        """Whether this many tiles are likely to fit."""
        return count == 1 or self._of_one * count < self._free

    def took(self, count: int) -> None:
        """Take note that a pass of this many tiles is done."""
        self._of_one = max(self._of_one, (self._highest_bytes() - self._before) / count)

    def _free_bytes(self) -> float:
        if self._device is not None:
            return float(torch.cuda.mem_get_info(self._device)[0])
        return available_memory()

    def _highest_bytes(self) -> int:
        if self._device is not None:
            return int(torch.cuda.max_memory_allocated(self._device))
        if sys.platform == "win32":
            return 0
        import resource  # not on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def available_memory() -> float:
    """Return the bytes of main memory that a process may still take."""
    free = [_available_of_machine()]
    # Of a container; the folder is that of the process's own group.
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        limit, used = "max", 0
    if limit != "max":
        free.append(float(int(limit) - used))
    return max(min(free), 0.0)


def _available_of_machine() -> float:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    except OSError:  # not Linux
        pass
    if sys.platform == "win32":
        return _MODEST
    return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
