"""Small copies of chips, and which chips are kept while a test runs."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

CHIPS_PER_RANK = 4
LONGEST_SIDE = 256  # pixels of a thumbnail
# Chips near the median are chosen from this many random ones: exact in a smaller test set.
_SAMPLE_SIZE = 24


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A chip at a small size.

    Attributes:
        filename: Its file.
        score: Its score.
        image: Red, green and blue in any unit, `(h, w, 3)`; painted only if it is shown.
        target: Class ids or values, `(h, w)`; None for a chip with one label.
        prediction: The same, predicted.
        valid: True for pixels with a label, `(h, w)`.
        caption: A remark below the pictures.
    """

    filename: str
    score: float
    image: NDArray[np.float32]
    target: NDArray[np.float32] | None = None
    prediction: NDArray[np.float32] | None = None
    valid: NDArray[np.bool_] | None = None
    caption: str = ""


_Entry = tuple[float, int, Thumbnail]


@dataclass
class ChipKeeper:
    """Keep the best chips, the worst and a random sample, in constant memory.

    The sample is drawn by algorithm R of Vitter, https://doi.org/10.1145/3147.3165.

    Args:
        higher_is_better: Whether the greatest score is the best.
    """

    higher_is_better: bool = True
    seen: int = 0
    best: list[_Entry] = field(default_factory=list)
    worst: list[_Entry] = field(default_factory=list)
    sample: list[Thumbnail] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(0), repr=False)

    def add(self, score: float, make: Callable[[], Thumbnail]) -> None:
        """Consider a chip; `make` is only called if the chip is kept."""
        self.seen += 1
        key = score if self.higher_is_better else -score
        place = self._random.randrange(self.seen)
        heaps = [
            heap
            for heap, rank in ((self.best, key), (self.worst, -key))
            if len(heap) < CHIPS_PER_RANK or rank > heap[0][0]
        ]
        if not heaps and place >= _SAMPLE_SIZE:
            return
        thumbnail = make()
        for heap in heaps:
            entry = (key if heap is self.best else -key, self.seen, thumbnail)
            (heapq.heappush if len(heap) < CHIPS_PER_RANK else heapq.heappushpop)(heap, entry)
        if len(self.sample) < _SAMPLE_SIZE:
            self.sample.append(thumbnail)
        elif place < _SAMPLE_SIZE:
            self.sample[place] = thumbnail

    def merge(self, other: ChipKeeper) -> None:
        """Add the chips that another process kept."""
        for mine, theirs in ((self.best, other.best), (self.worst, other.worst)):
            mine += [(key, self.seen + number, kept) for key, number, kept in theirs]
            mine[:] = heapq.nlargest(CHIPS_PER_RANK, mine)
        self.sample += other.sample
        self.seen += other.seen

    def chosen(self, median: float) -> list[tuple[str, Thumbnail]]:
        """Return the worst chips, those nearest to a median score and the best, each once."""
        count = min(CHIPS_PER_RANK, max(1, self.seen // 3))
        taken: set[tuple[str, float]] = set()

        def pick(chips: Iterable[Thumbnail]) -> list[Thumbnail]:
            # By name: processes repeat chips so that each has the same number.
            by_name = {(chip.filename, chip.score): chip for chip in chips}
            keys = [key for key in by_name if key not in taken][:count]
            taken.update(keys)
            return [by_name[key] for key in keys]

        worst = pick(kept for *_, kept in sorted(self.worst, reverse=True))
        best = pick(kept for *_, kept in sorted(self.best, reverse=True))
        middle = pick(sorted(self.sample, key=lambda kept: abs(kept.score - median)))
        ranks = {"worst": worst, "median": middle, "best": best}
        return [(rank, kept) for rank, chips in ranks.items() for kept in chips]


def thumbnail_grid(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of a chip that its thumbnail shows."""
    step = max(height, width, LONGEST_SIDE) / LONGEST_SIDE
    rows = np.arange(max(1, round(height / step))) * step
    columns = np.arange(max(1, round(width / step))) * step
    return (
        rows.astype(np.intp).clip(max=height - 1),
        columns.astype(np.intp).clip(max=width - 1),
    )
