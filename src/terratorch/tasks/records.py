"""The metrics of a test, written to a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path


def write_metrics(metrics: Mapping[str, float], path: str | Path) -> Path:
    """Write metrics and return the path of the file.

    Args:
        metrics: Values by name.
        path: A `.json` file (an object), a `.csv` file (rows of metric and value), or a folder for
            `test_metrics.csv`.
    """
    path = Path(path)
    file = path if path.suffix in (".json", ".csv") else path / "test_metrics.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".json":
        file.write_text(json.dumps(dict(metrics), indent=2) + "\n", encoding="utf-8")
        return file
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("metric", "value"))
        writer.writerows(metrics.items())
    return file
