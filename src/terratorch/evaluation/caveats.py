"""Caveats about the figures of a test, written above them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from terratorch.evaluation.evaluation import SampleSet


def caveats(sets: Sequence[SampleSet], limit_batches: float, processes: int) -> list[str]:
    """Return what a reader of the figures must know.

    Args:
        sets: The test sets.
        limit_batches: `trainer.limit_test_batches`: an integer counts batches, 1.0 means all.
        processes: Number of processes that tested.
    """
    notes = []
    if isinstance(limit_batches, int) or limit_batches < 1:
        limit = f"trainer.limit_test_batches is {limit_batches}"
        notes.append(f"{limit}: only some of the chips were tested.")
    for sample_set in sets:
        chips = sample_set.chips
        of = f" of {sample_set.name}" if sample_set.name else ""
        repeated = len(chips) - len({chip.filename for chip in chips})
        if repeated and processes > 1:
            notes.append(
                f"{_chips(repeated)}{of} counted twice, so that each process has the same number; "
                "test with trainer.devices: 1 for exact figures."
            )
        elif repeated:
            notes.append(f"{_chips(repeated)}{of} tested more than once.")
        scored = chips if not sample_set.summary else ()
        empty = sum(chip.score != chip.score for chip in scored)
        if empty:
            notes.append(f"{_chips(empty)}{of} without a label.")
        diverged = sum(math.isinf(chip.score) for chip in chips)
        if diverged:
            notes.append(f"{_chips(diverged)}{of} with predictions that are not finite.")
    return notes


def _chips(count: int) -> str:
    return f"{count} chip{'' if count == 1 else 's'}"
