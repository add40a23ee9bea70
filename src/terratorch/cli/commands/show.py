"""`terratorch show`: write a page with an interactive map."""

from __future__ import annotations

import math
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from terratorch.cli.terminal.option_parser import OptionParser
from terratorch.errors import ConfigurationError
from terratorch.evaluation.pages.map_page import DEFAULT_MEGABYTES, MapPage, write_map_page
from terratorch.evaluation.pages.page import PAGE_SUFFIXES, page_path
from terratorch.geo.remote import is_virtual


def main(arguments: Sequence[str]) -> int:
    """Run `terratorch show`."""
    options = _parser().parse_args(arguments)
    if not 0 < options.max_size < math.inf:
        raise ConfigurationError(
            "--max_size", f"{options.max_size:g} is not a valid size", "Give megabytes, such as 25."
        )
    page = write_map_page(
        options.map,
        _page_path(options),
        image_path=options.image,
        labels_path=options.labels,
        rgb=options.rgb,
        band=options.band,
        title=options.title,
        megabytes=options.max_size,
    )
    sys.stdout.write(_summary(page, options))
    return 0


def _parser() -> OptionParser:
    parser = OptionParser(
        prog="terratorch show",
        description=(
            "Write a page with an interactive map: swipe to the scene, legend, value at the "
            "pointer. It is a single HTML file that works offline."
        ),
    )
    parser.add_argument("map", metavar="MAP", help="map from `terratorch predict`")
    parser.add_argument("--image", metavar="SCENE", help="the scene of the map")
    parser.add_argument("--labels", metavar="FILE", help="labels with the same classes or values")
    parser.add_argument(
        "--rgb",
        nargs=3,
        type=int,
        metavar=("R", "G", "B"),
        help="bands of the scene, counted from 1 (default: found by name, else 3 2 1)",
    )
    parser.add_argument(
        "--band", type=int, default=1, help="band of the map, if it has several (default: 1)"
    )
    parser.add_argument("--title", help="heading of the page (default: the name of the map)")
    parser.add_argument(
        "--output", metavar="FILE.html", help="the page (default: in the folder of the map)"
    )
    parser.add_argument(
        "--max_size",
        type=float,
        default=DEFAULT_MEGABYTES,
        metavar="MEGABYTES",
        help="largest size of the page; larger maps are shown at a lower resolution "
        f"(default: {DEFAULT_MEGABYTES:g})",
    )
    return parser


def _page_path(options: Namespace) -> Path:
    if options.output is None:
        suffix = PAGE_SUFFIXES[0]
        path = Path(options.map)
        # A map on a server or in an archive: write into the current folder.
        return Path(path.stem + suffix) if is_virtual(options.map) else path.with_suffix(suffix)
    return page_path("--output", options.output)


def _summary(page: MapPage, options: Namespace) -> str:
    megabytes = page.path.stat().st_size / 1e6
    lines = [f"{page.path} ({megabytes:.{1 if megabytes >= 0.1 else 3}f} MB)"]
    if page.step > 1:
        metres = "" if page.metres is None else f", {page.metres:.3g} m per pixel,"
        kept = megabytes <= options.max_size
        why = f"to keep it below {options.max_size:g} MB" if kept else "which is the coarsest"
        lines.append(f"Shown at 1/{page.step} of the resolution{metres} {why} (--max_size).")
    if page.bands > 1:
        lines.append(f"Band {options.band} of {page.bands} is shown (--band).")
    return "\n".join(lines) + "\n"
