"""Find the result of a test and the logs of a training in a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from terratorch.errors import DataError, MissingFileError
from terratorch.evaluation.curves import TrainingLog, log_folders, read_log
from terratorch.evaluation.evaluation import EVALUATION_FILE, Evaluation, read_evaluation
from terratorch.evaluation.reported import REPORTED

REPORT_FOLDER = "report"
REPORT_FILE = "report.html"


@dataclass(frozen=True)
class Report:
    """The contents of a report.

    Attributes:
        evaluation: The result of a test, None without a test.
        log: The curves of the training, None if they are not available.
        notes: What else the folder holds.
    """

    evaluation: Evaluation | None
    log: TrainingLog | None
    notes: list[str] = field(default_factory=list)


def find_report(folder: Path) -> tuple[Report, Path]:
    """Find the newest test and training in the folder of a run, of several runs or of a report.

    Returns:
        The contents of the report, and its file.

    Raises:
        MissingFileError: If the folder does not exist, or holds neither test nor training.
    """
    if not folder.is_dir():
        raise MissingFileError(
            f"folder '{folder}'",
            "is a file" if folder.exists() else "does not exist",
            "Give the folder of a run; `terratorch test` prints the path of its report.",
        )
    tests = _evaluation_files(folder)
    evaluation = read_evaluation(tests[-1]) if tests else None
    if evaluation is not None and evaluation.kind not in REPORTED:
        raise DataError(
            str(tests[-1]),
            f"has outputs {evaluation.kind!r}; this release reports {', '.join(REPORTED)}",
            "Use the release that wrote it or a newer one.",
        )
    notes = []
    if len(tests) > 1:
        notes.append(
            f"{folder} holds {len(tests)} tests; this is the newest, {tests[-1].parent}. "
            "Give the folder of another test to see its report."
        )
    log = None if evaluation is None else training_log_of(evaluation.checkpoint)
    if log is None:
        log, more = _newest_training(folder)
        notes += more
    if evaluation is None and log is None:
        raise MissingFileError(
            f"folder '{folder}'",
            f"holds neither {EVALUATION_FILE} nor training logs (TensorBoard, metrics.csv)",
            "Give the folder of a run, or run `terratorch test` first.",
        )
    parent = tests[-1].parent if tests else folder / REPORT_FOLDER
    return Report(evaluation, log, notes), parent / REPORT_FILE


def training_log_of(checkpoint: str | None) -> TrainingLog | None:
    """Return the log of the training that wrote a checkpoint, None if it does not exist."""
    if checkpoint is None:
        return None
    # The folder `checkpoints` is inside that of the run's logger.
    folder = Path(checkpoint).parent.parent
    if not folder.is_dir():
        return None
    try:
        log = read_log(folder)
    except DataError:  # another program's metrics.csv; report without curves
        return None
    return log if log.has_training else None


def _newest_training(folder: Path) -> tuple[TrainingLog | None, list[str]]:
    """Return the newest training log below a folder, and notes about the others."""
    notes = []
    trainings: list[TrainingLog] = []
    for parent in log_folders(folder):
        try:
            log = read_log(parent)
        except DataError as error:  # another program's metrics.csv
            notes.append(f"A log was skipped. {error}")
            continue
        if log.has_training:
            trainings.append(log)
    if len(trainings) > 1:
        notes.append(
            f"{folder} holds {len(trainings)} trainings; the curves are those of the newest, "
            f"{trainings[-1].folder}."
        )
    return (trainings[-1] if trainings else None), notes


def _evaluation_files(folder: Path) -> list[Path]:
    """Return the result files of a folder and its subfolders, the newest last."""
    direct = [folder / EVALUATION_FILE, folder / REPORT_FOLDER / EVALUATION_FILE]
    existing = [path for path in direct if path.is_file()]
    if existing:
        return existing[:1]
    files = [
        Path(parent, EVALUATION_FILE)
        for parent, _, names in os.walk(folder)
        if EVALUATION_FILE in names
    ]
    return sorted(files, key=lambda path: (path.stat().st_mtime_ns, str(path)))
