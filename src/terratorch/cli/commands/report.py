"""`terratorch report`: write the report of a test or a training again, without the model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from terratorch.cli.terminal.option_parser import OptionParser


def main(arguments: Sequence[str]) -> int:
    """Run `terratorch report`."""
    parser = OptionParser(
        prog="terratorch report",
        description="Write the report of a run as one HTML file: scores, curves, chips.",
    )
    parser.add_argument(
        "folder", metavar="DIR", help="folder of a run, of several runs, or of a report"
    )
    parser.add_argument(
        "--output", metavar="FILE", help="the HTML file (default: report.html in DIR)"
    )
    options = parser.parse_args(arguments)

    from terratorch.evaluation.pages.page import page_path, write_page
    from terratorch.evaluation.pages.report import render
    from terratorch.evaluation.pages.report_search import find_report

    output = None if options.output is None else page_path("--output", options.output)
    report, path = find_report(Path(options.folder))
    written = write_page(output or path, render(report))
    sys.stdout.write(f"report: {written}\n")
    return 0
