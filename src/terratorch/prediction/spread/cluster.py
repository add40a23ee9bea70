"""Checks of a Ray cluster that need neither torch nor Ray's workers."""

from __future__ import annotations

import socket

from terratorch.errors import ConfigurationError
from terratorch.prediction.options import PredictionOptions

_SECONDS = 3.0  # for a cluster to answer


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
    from terratorch.prediction.spread.ray_workers import import_ray

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
            "Start a cluster with `ray start --head`, which prints its address; leave ray_address "
            "out to start Ray on this machine.",
        ) from error
