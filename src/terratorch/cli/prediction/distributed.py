"""`terratorch predict --distributed`: its options, and what runs the scenes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from terratorch.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

    from terratorch.cli.prediction.task_predictor import TaskPredictor
    from terratorch.prediction.options import PredictionOptions
    from terratorch.prediction.scenes.scene_stream import RunGroup

_SECONDS = 3.0  # in which the machine of a cluster answers


def check_distributed(settings: PredictionOptions) -> None:
    """Refuse to go on without what distributes, before anything is built.

    Args:
        settings: The options.

    Raises:
        ConfigurationError: If nothing answers at the address of the cluster.
        MissingDependencyError: If Ray is not installed.
    """
    if settings.distributed is None:
        return
    if settings.ray_address is not None:
        _check_answers(settings.ray_address)
    from terratorch.prediction.spread.ray_workers import import_ray

    import_ray()


def _check_answers(address: str) -> None:
    """Knock at `HOST:PORT`, where Ray would try for long; other addresses are left to Ray."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigurationError(
            "ray_address",
            f"{address} does not answer ({reason})",
            "Start a cluster with `ray start --head`, which says its address; leave ray_address "
            "out to start Ray on this machine.",
        ) from error


def check_can_spread(settings: PredictionOptions, by_tiles: bool, processes: int) -> None:
    """Refuse to spread what cannot be.

    Args:
        settings: The options.
        by_tiles: Whether scenes are predicted tile by tile.
        processes: How many the Trainer runs.

    Raises:
        ConfigurationError: If it cannot.
    """
    if settings.distributed is None:
        return
    if not by_tiles:
        raise ConfigurationError(
            "distributed",
            f"{settings.distributed}, but only maps are spread over workers: labels of whole "
            "images, and what tasks and data modules of your own do, go batch by batch",
            "Leave it out.",
        )
    if processes > 1:
        raise ConfigurationError(
            "trainer.devices",
            f"{processes} processes, and each would hand out the work",
            f"Use 1 with --distributed {settings.distributed}: --workers says how many there are.",
        )


def devices_of(settings: PredictionOptions, devices: Any, of_labels: bool = False) -> Any:
    """Return the devices of the Trainer: one, where it takes one process and nobody chose.

    Args:
        settings: The options.
        devices: What was chosen, or `auto`.
        of_labels: Whether one table is written.
    """
    takes_one = settings.distributed is not None or of_labels
    return 1 if takes_one and devices == "auto" else devices


@contextmanager
def group_runner(
    settings: PredictionOptions, predictor: TaskPredictor, device: torch.device
) -> Iterator[RunGroup]:
    """Give what runs scenes: this process, or workers, which start once there is something to do.

    Args:
        settings: The options.
        predictor: What turns files into maps.
        device: Where this process runs.
    """
    from terratorch.prediction.scenes.scene_stream import run_group
    from terratorch.prediction.spread.distributed import SpreadGroup

    if settings.distributed is None:
        yield run_group
        return
    from terratorch.prediction.spread.ray_workers import RayWorkers
    from terratorch.tiles.batch_size import release_memory

    with ExitStack() as stack:

        def start() -> RayWorkers:
            predictor.task.cpu()  # it travels from there, and leaves the GPU to the workers
            release_memory()
            workers = RayWorkers(predictor.on, device, settings.workers, settings.ray_address)
            return stack.enter_context(workers)

        yield SpreadGroup(start)
