"""Curves of a training from the files of its loggers: TensorBoard events or `metrics.csv`."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from terratorch.errors import DataError

CSV_FILE = "metrics.csv"
_EVENT_PREFIX = "events.out.tfevents"
_MOST_POINTS = 1000  # of a curve; longer ones are thinned out
_NOT_CURVES = ("epoch", "hp_metric", "step")


@dataclass(frozen=True)
class Curve:
    """Values of a metric in the order of training.

    Attributes:
        steps: The training step of each value.
        values: The values.
    """

    steps: list[float]
    values: list[float]


@dataclass(frozen=True)
class TrainingLog:
    """The curves that the loggers of a run wrote.

    Attributes:
        folder: The folder of their files.
        curves: The curves by the name of their metric, such as `val/mIoU`.
    """

    folder: Path
    curves: dict[str, Curve]

    @property
    def has_training(self) -> bool:
        """Whether this is the log of a training rather than of a test."""
        return any(name.startswith(("train/", "val/")) for name in self.curves)


def log_folders(folder: Path) -> list[Path]:
    """Return all folders with files of a logger, the newest last."""
    newest: dict[Path, int] = {}
    for path in _files(folder):
        if _is_log(path.name):
            written = path.stat().st_mtime_ns
            newest[path.parent] = max(newest.get(path.parent, 0), written)
    return sorted(newest, key=lambda parent: (newest[parent], str(parent)))


def read_log(folder: Path) -> TrainingLog:
    """Read the files of the loggers in a folder, without its subfolders.

    Raises:
        DataError: If a file cannot be read.
    """
    curves: dict[str, Curve] = {}
    if (folder / CSV_FILE).is_file():
        curves.update(_of_csv(folder / CSV_FILE))
    if any(path.name.startswith(_EVENT_PREFIX) for path in folder.iterdir()):
        curves.update(_of_events(folder))
    return TrainingLog(folder, curves)


def _is_log(name: str) -> bool:
    return name == CSV_FILE or name.startswith(_EVENT_PREFIX)


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in names)


def _of_csv(path: Path) -> dict[str, Curve]:
    """Read `metrics.csv`: one column per metric, empty in steps that did not log it."""
    points: dict[str, list[tuple[float, float]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                step = float(row["step"])
                for name, text in row.items():
                    if text and name not in _NOT_CURVES:
                        points.setdefault(name, []).append((step, float(text)))
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            str(path), f"not written by CSVLogger ({error!r})", "Move it out of the folder."
        ) from error
    return {name: _curve(values) for name, values in points.items()}


def _of_events(folder: Path) -> dict[str, Curve]:
    """Read TensorBoard's event files."""
    from tensorboard.backend.event_processing import event_accumulator

    sizes = {**event_accumulator.DEFAULT_SIZE_GUIDANCE, event_accumulator.SCALARS: _MOST_POINTS}
    with _quiet_tensorboard():
        events = event_accumulator.EventAccumulator(str(folder), size_guidance=sizes)
        events.Reload()
    return {
        name: _curve((event.step, event.value) for event in events.Scalars(name))
        for name in events.Tags()[event_accumulator.SCALARS]
        if name not in _NOT_CURVES
    }


@contextmanager
def _quiet_tensorboard() -> Iterator[None]:
    """Silence the warning about the truncated log of a killed training."""
    logger = logging.getLogger("tensorboard")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _curve(points: Iterable[tuple[float, float]]) -> Curve:
    finite = sorted(point for point in points if point[1] - point[1] == 0)  # drops NaN and inf
    step = -(-len(finite) // _MOST_POINTS) or 1
    last = finite[-1:] if step > 1 else []  # always show the end of a training
    chosen = [*finite[: len(finite) - len(last) : step], *last]
    return Curve([step for step, _ in chosen], [value for _, value in chosen])
