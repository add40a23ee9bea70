"""`terratorch compute_statistics`: means and standard deviations, to paste into a YAML."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import LightningArgumentParser

from terratorch.cli.commands.help_texts import STATISTICS_HELP, write_help
from terratorch.cli.commands.stages import prepare
from terratorch.cli.parsing.configuration import OWN_OPTIONS, SECTIONS
from terratorch.cli.parsing.parser_messages import constructor_error, parse
from terratorch.cli.terminal.arguments import wants_help
from terratorch.datamodules.statistics import Statistics, compute_statistics

DEFAULT_OUTPUT = "statistics.yaml"


def main(arguments: Sequence[str]) -> int:
    """Run `terratorch compute_statistics`."""
    if wants_help(arguments):
        return write_help(STATISTICS_HELP)
    prepare("compute_statistics", arguments, sections=("data",))
    parser = _parser()
    config = parse(parser, list(arguments), "terratorch compute_statistics --help")
    try:
        datamodule = parser.instantiate_classes(config).data
    except ValueError as error:
        raise constructor_error(error) from None
    statistics = _with_progress(datamodule)
    text = statistics.to_yaml() + _foreign_ids(statistics, datamodule)
    Path(config.output).write_text(text)
    sys.stdout.write(text)
    sys.stderr.write(
        f"Written to {Path(config.output).absolute()} (--output changes the file): "
        "paste it into data.init_args.\n"
    )
    return 0


def _foreign_ids(statistics: Statistics, datamodule: LightningDataModule) -> str:
    """Return a comment about class ids that are outside the classes, or an empty text."""
    count = getattr(datamodule, "num_classes", None)
    if not isinstance(count, int):
        return ""
    foreign = [str(number) for number in sorted(statistics.class_counts or {}) if number >= count]
    if not foreign:
        return ""
    return (
        f"# Not a class with num_classes {count}: {', '.join(foreign)}. Such labels are an error "
        "in training, except the ignore_index of the task.\n"
    )


def _with_progress(datamodule: LightningDataModule) -> Statistics:
    """Compute the statistics, with a progress bar on a terminal and nothing in a log file."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Reading the training images", total=None)
        return compute_statistics(
            datamodule,
            lambda done, count: bar.update(task, completed=done, total=count or None),
        )


def _parser() -> LightningArgumentParser:
    """Return a parser for the data alone, without a model or a trainer."""
    from jsonargparse import ActionConfigFile  # type: ignore[attr-defined]  # public, not typed so

    parser = LightningArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("-c", "--config", action=ActionConfigFile)
    parser.add_argument("--output", type=str, default=DEFAULT_OUTPUT)
    parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)
    for name in (*SECTIONS, *OWN_OPTIONS):
        if name != "data":
            parser.add_argument(f"--{name}", type=Any)
    return parser
