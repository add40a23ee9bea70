"""Several processes that share the images of a prediction, and gather what each of them did."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from torch import distributed

from terratorch.errors import TerraTorchError

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

T = TypeVar("T")

# One process may have large scenes and another small ones: they wait as long as it takes.
_PATIENCE = timedelta(days=365)


def is_launched() -> bool:
    """Return whether `torchrun` or SLURM started this process as one of several."""
    return any(int(os.environ.get(name) or 1) > 1 for name in ("WORLD_SIZE", "SLURM_NTASKS"))


def run_in_processes(trainer: Trainer, function: Callable[[], T]) -> T:
    """Run a function in each process of a Trainer, which starts them.

    Args:
        trainer: The Trainer.
        function: What each process runs.
    """
    launcher = trainer.strategy.launcher

    def run() -> T:
        trainer.strategy.setup_environment()
        return function()

    if launcher is None:
        return run()
    try:
        result: T = launcher.launch(run, trainer=trainer)
    except BaseException:
        launcher.kill(signal.SIGTERM)
        raise
    return result


def process_group() -> Any | None:
    """Return a group of all processes, which must all ask for it; None if there is one process."""
    if not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed.new_group(backend="gloo", timeout=_PATIENCE)


def gathered(value: T, group: Any | None) -> list[T]:
    """Wait for all processes and return their values, in order.

    Args:
        value: That of this process.
        group: All processes; None if there is one.

    Raises:
        TerraTorchError: If another process ended before.
    """
    if group is None:
        return [value]
    everything: list[Any] = [None] * distributed.get_world_size(group)
    try:
        distributed.all_gather_object(everything, value, group)
    except RuntimeError as error:  # of the connection
        raise TerraTorchError(
            "A process of the prediction",
            "it ended before the others did",
            "See its own message. Run again: complete maps are skipped.",
        ) from error
    return everything
