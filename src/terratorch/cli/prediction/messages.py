"""Print what a prediction did, and derive the exit code of the command."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from terratorch.cli.terminal.reporting import EXIT_MISTAKE
from terratorch.datasets.files import shortened
from terratorch.errors import TerraTorchError
from terratorch.prediction.report import PredictionReport

EXIT_INCOMPLETE = 3


def print_report(report: PredictionReport, folder: str | Path) -> int:
    """Print how many files there are, and which failed.

    Args:
        report: What the prediction did.
        folder: Where its files are.

    Returns:
        The exit code: 0; 2 if the model returned NaN for every image; 3 if another image has no
        map, or a file could not be made from a map.
    """
    out = sys.stdout.write
    if report.all_skipped:
        out(f"Skipped {_files(report.skipped)} whose maps are already complete in {folder}. ")
        out("Use --overwrite to predict again.\n")
    else:
        figures = f" ({report.summary()})" if report.tiles else ""
        out(f"Wrote {_files(report.written)} to {folder}{figures}\n")
        _print_omissions(report)
    if report.products:
        kinds = ", ".join(sorted({path.suffix for path in report.products}))
        out(f"Made {_files(report.products)} from the maps ({kinds})\n")
    failures: dict[str, Mapping[Path, TerraTorchError]] = {
        "could not be read": report.unreadable,
        "without a map, because the model returned NaN or infinity": report.without_numbers,
        "could not be made from the maps, which are complete": report.product_failures,
    }
    for what, errors in failures.items():
        if errors:
            sys.stderr.write(f"{_files(errors)} {what}:\n")
            sys.stderr.writelines(f"  {error}\n" for error in errors.values())
    if report.all_failed:
        return EXIT_MISTAKE
    return EXIT_INCOMPLETE if any(failures.values()) else 0


def _print_omissions(report: PredictionReport) -> None:
    out = sys.stdout.write
    if report.skipped:
        out(f"Skipped {_files(report.skipped)} whose maps are already complete. ")
        out("Use --overwrite to predict again.\n")
    if report.stale:
        names = shortened([path.name for path in report.stale], 3)
        out(f"Kept {_files(report.stale)} of an earlier run with other options: {names}\n")
    if report.outside:
        out(f"Skipped {_files(report.outside)} outside the area and the masks:\n")
        sys.stdout.writelines(f"  {path}\n" for path in report.outside)


def _files(files: list[Path] | Mapping[Path, TerraTorchError]) -> str:
    return f"{len(files)} file{'' if len(files) == 1 else 's'}"
