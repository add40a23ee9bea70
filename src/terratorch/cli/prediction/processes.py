"""Several processes that share the images of a prediction: what each did comes together."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar

from torch import distributed

from terratorch.errors import TerraTorchError

Found = TypeVar("Found")

# One may have large scenes and another small ones: they wait for each other as long as it takes.
_PATIENCE = timedelta(days=365)


def process_group() -> Any | None:
    """Return a group of all processes, which have to ask for it together; None if there is one."""
    if not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed.new_group(backend="gloo", timeout=_PATIENCE)


def gathered(found: Found, group: Any | None) -> list[Found]:
    """Return what each process found, in their order, once all have.

    Args:
        found: What this one found.
        group: All processes; None if there is one.

    Raises:
        TerraTorchError: If another ends before.
    """
    if group is None:
        return [found]
    everything: list[Any] = [None] * distributed.get_world_size(group)
    try:
        distributed.all_gather_object(everything, found, group)
    except RuntimeError as error:  # of the connection
        raise TerraTorchError(
            "A process of the prediction",
            "it ended before the others did",
            "Its own message says why; run again, and what is complete is not made again.",
        ) from error
    return everything
