"""What there is to report on in a folder: the result of a test, and the logs of a training."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from terratorch.errors import DataError, MissingFileError
from terratorch.evaluation.curves import TrainingLog, log_folders, read_log
from terratorch.evaluation.evaluation import EVALUATION_FILE, Evaluation, read_evaluation

REPORT_FOLDER = "report"
REPORT_FILE = "report.html"


@dataclass(frozen=True)
class Report:
    """What a report shows.

    Attributes:
        evaluation: The result of a test; None where there is none.
        log: The curves of the training; None where they are not known.
        notes: What there is besides, and is not shown.
    """

    evaluation: Evaluation | None
    log: TrainingLog | None
    notes: list[str] = field(default_factory=list)


def find_report(folder: Path) -> tuple[Report, Path]:
    """Find what a folder holds: of a run, of several runs, or the folder of a report itself.

    Returns:
        What the report shows, and the file that it belongs into.

    Raises:
        MissingFileError: If there is no such folder, or nothing in it to report on.
    """
    if not folder.is_dir():
        raise MissingFileError(
            f"folder '{folder}'",
            "is a file" if folder.exists() else "does not exist",
            "Give the folder of a run: `terratorch test` says where its report is.",
        )
    tests = _evaluation_files(folder)
    evaluation = read_evaluation(tests[-1]) if tests else None
    notes = []
    if len(tests) > 1:
        notes.append(
            f"{folder} holds {len(tests)} tests; this is the newest, {tests[-1].parent}. "
            "Give the folder of another one to see it."
        )
    log = None if evaluation is None else training_log_of(evaluation.checkpoint)
    if log is None:
        log, more = _newest_training(folder)
        notes += more
    if evaluation is None and log is None:
        raise MissingFileError(
            f"folder '{folder}'",
            f"holds neither {EVALUATION_FILE} nor logs of a training (TensorBoard, metrics.csv)",
            "Give the folder of a run, or run `terratorch test` first.",
        )
    place = tests[-1].parent if tests else folder / REPORT_FOLDER
    return Report(evaluation, log, notes), place / REPORT_FILE


def training_log_of(checkpoint: str | None) -> TrainingLog | None:
    """Return the log of the training that wrote a checkpoint; None where it is not there."""
    if checkpoint is None:
        return None
    # `checkpoints/best.ckpt` lies in the folder of the run's logger.
    folder = Path(checkpoint).parent.parent
    if not folder.is_dir():
        return None
    try:
        log = read_log(folder)
    except DataError:  # a metrics.csv that is something else; the scores are what matters here
        return None
    return log if log.has_training else None


def _newest_training(folder: Path) -> tuple[TrainingLog | None, list[str]]:
    """Return the newest log of a training below a folder, and what to say of others."""
    notes = []
    found: list[TrainingLog] = []
    for parent in log_folders(folder):
        try:
            log = read_log(parent)
        except DataError as error:  # a metrics.csv that is something else
            notes.append(f"A log is left out. {error}")
            continue
        if log.has_training:
            found.append(log)
    if len(found) > 1:
        notes.append(
            f"{folder} holds {len(found)} trainings; the curves are those of the newest, "
            f"{found[-1].folder}."
        )
    return (found[-1] if found else None), notes


def _evaluation_files(folder: Path) -> list[Path]:
    """Return the results of tests in a folder and below, the newest last."""
    direct = [folder / EVALUATION_FILE, folder / REPORT_FOLDER / EVALUATION_FILE]
    there = [path for path in direct if path.is_file()]
    if there:
        return there[:1]
    found = [
        Path(parent, EVALUATION_FILE)
        for parent, _, names in os.walk(folder)
        if EVALUATION_FILE in names
    ]
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, str(path)))
