"""A Ray cluster: whether it answers, what workers take of it, and the connection.

Importing this module needs neither torch nor Ray.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from terratorch.errors import ConfigurationError
from terratorch.optional import import_optional
from terratorch.prediction.options import PredictionOptions

logger = logging.getLogger(__name__)

_SECONDS = 3.0  # for a cluster to answer
_QUIET = {
    # Ray asks on the terminal, and sends statistics to its makers.
    "RAY_USAGE_STATS_ENABLED": "0",
    # What workers log comes with their results.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    "RAY_SCHEDULER_EVENTS": "0",
    # The number of GPUs is always set, so that Ray need not warn of a change to come.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def import_ray() -> Any:
    """Import Ray.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    with _environment(_QUIET):  # part of it is read on import
        return import_optional("ray", "ray", "predict with --distributed ray")


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables that are not set, for a while."""
    ours = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


def check_distributed(options: PredictionOptions) -> None:
    """Check Ray and the address of a cluster before anything is built.

    Raises:
        ConfigurationError: If the cluster does not answer.
        MissingDependencyError: If Ray is not installed.
    """
    if options.distributed is None:
        return
    if options.ray_address is not None:
        _check_answers(options.ray_address)
    import_ray()


def _check_answers(address: str) -> None:
    """Connect to `HOST:PORT`, since Ray would try for long; Ray resolves other addresses."""
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
            "Start a cluster with `ray start --head`, which prints its address; omit ray_address "
            "to start Ray on this machine.",
        ) from error


@contextmanager
def connected(ray: Any, address: str | None, workers: int | None) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine; an existing connection stays.

    Args:
        ray: The package.
        address: The cluster, or `auto`; None starts Ray here.
        workers: How many workers must fit if Ray starts here.

    Raises:
        ConfigurationError: If there is no cluster.
    """
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        cpus = max(os.cpu_count() or 1, workers or 1)
        options |= {"address": "local", "include_dashboard": False, "num_cpus": cpus}
    else:
        options["address"] = address
    with _environment(_QUIET):
        try:
            ray.init(**options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigurationError(
                "ray_address",
                f"{address or 'local'}: {first_line(error)}",
                "Start a cluster with `ray start --head`, and use its address or `auto`.",
            ) from error
        try:
            yield
        finally:
            ray.shutdown()


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().splitlines()[0].rstrip(".")


@dataclass(frozen=True)
class Demand:
    """What workers take of a cluster.

    Attributes:
        workers: How many there are.
        cpus: CPUs of each.
        gpus: GPUs of each.
        threads: Threads of each.
    """

    workers: int
    cpus: int
    gpus: int
    threads: int

    def __str__(self) -> str:
        many = "s" if self.workers > 1 else ""
        each = "a GPU" if self.gpus else f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"Predicting with {self.workers} Ray worker{many} of {each} each."


def demand_of(
    nodes: Sequence[Mapping[str, Any]], uses_gpu: bool, workers: int | None, threads: int
) -> Demand:
    """Return how many workers there are, and what each takes.

    Args:
        nodes: The machines, as Ray lists them.
        uses_gpu: Whether one process would run on a GPU.
        workers: How many workers to start; None for as many as fit.
        threads: Threads of one process.

    Raises:
        ConfigurationError: If they do not fit.
    """
    resources = [node["Resources"] for node in nodes if node["Alive"]]
    cpus = [int(has.get("CPU", 0)) for has in resources]
    gpus = sum(int(has.get("GPU", 0)) for has in resources)
    if uses_gpu:
        _check_room(workers, gpus, "GPU")
        return Demand(workers or gpus, 1, 1, threads)
    if gpus:
        logger.info("GPUs of the Ray cluster are not used, because this process runs on the CPU.")
    room = sum(count // threads for count in cpus)
    _check_room(workers, sum(cpus), "CPU")
    count = workers or max(room, 1)
    return Demand(count, threads if count <= room else 1, 0, threads)


def _check_room(workers: int | None, room: int, kind: str) -> None:
    if (workers or 1) > room:
        raise ConfigurationError(
            "workers",
            f"{workers or 1}, but the Ray cluster has {room or 'no'} {kind}{'s' * (room != 1)}",
            "Use fewer, or --ray_address of a larger cluster.",
        )
