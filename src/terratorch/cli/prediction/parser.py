"""The parser of `terratorch predict`; its options are declared in `terratorch.prediction.options`.

The same options are added to Lightning's parser, since a configuration may hold them as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from jsonargparse import ActionYesNo, ArgumentParser, Namespace

from terratorch.cli.parsing.parser_messages import parse
from terratorch.cli.prediction.arguments import option_arguments
from terratorch.prediction.options import OPTIONS, Option, PredictionOptions

_PROGRAM = "terratorch predict"
_EPILOG = """\
A checkpoint is enough: it holds the model, the bands, the means and the tiling. With -c CONFIG the
model and the data come from that file, and its keys can be set as --SECTION.KEY VALUE.

examples:
  terratorch predict --ckpt_path best.ckpt --predict_data scenes/ --predict_output_dir maps/
  terratorch predict -c config.yaml --ckpt_path best.ckpt --predict_output_dir maps/
"""


def add_options(parser: ArgumentParser) -> None:
    """Add `--predict_data` and the options of a prediction; options that are not set are `None`.

    Values are checked by `PredictionOptions.read`, wherever they come from.
    """
    parser.add_argument(
        "--predict_data",
        nargs="+",
        type=str,
        metavar="PATH",
        help="files or folders to predict; NAME=PATH for each of several modalities",
    )
    for option in OPTIONS.values():
        if option.is_switch:
            _add_switch(parser, option)
            continue
        words = f"{{{','.join(option.words)}}}" if option.words else None
        is_text = option.kind is str and option.name not in ("area", "area_crs", "location")
        parser.add_argument(
            f"--{option.name}",
            type=str if is_text or option.is_list else Any,
            nargs="+" if option.is_list else None,
            default=None,
            metavar=option.metavar or words,
            help=option.help,
        )


def _add_switch(parser: ArgumentParser, option: Option) -> None:
    """Add `--NAME`, with `--no_NAME` if it is on by default."""
    action = ActionYesNo(no_prefix="no_") if option.default else "store_true"
    parser.add_argument(f"--{option.name}", action=action, default=None, help=option.help)


def parse_arguments(arguments: Sequence[str]) -> Namespace:
    """Parse the arguments of a prediction from a checkpoint alone.

    Raises:
        ConfigurationError: If they cannot be parsed.
    """
    parser = _parser(epilog=_EPILOG, description="Write one georeferenced map for every image.")
    add = parser.add_argument
    add("-c", "--config", action="append", metavar="FILE", help="configuration; may be repeated")
    add("--ckpt_path", type=str, metavar="FILE ...", help="checkpoint; several predict together")
    add_options(parser)
    add("--num_workers", type=int, metavar="N", help="processes that read images to label (0)")
    add("--accelerator", type=str, default="auto", help="cpu, gpu, mps, ... (auto)")
    add("--devices", type=str, default="auto", help="how many devices, or which (auto)")
    add("--precision", type=str, help="such as 16-mixed or bf16-mixed")
    add("--custom_modules_path", type=str, metavar="PATH", help="your own modules: folder or file")
    return parse(parser, list(arguments), f"{_PROGRAM} --help")


def read_options(arguments: Sequence[str], content: Mapping[str, Any]) -> PredictionOptions:
    """Return the options of the command line, then of the configuration.

    Args:
        arguments: The arguments; others are ignored.
        content: The configuration.

    Raises:
        ConfigurationError: If a value is not valid, or an option needs another one.
    """
    parser = _parser()
    add_options(parser)
    parsed = parse(parser, option_arguments(arguments), f"{_PROGRAM} --help")
    named = {name: value for name, value in vars(parsed).items() if value is not None}
    return PredictionOptions.read({**content, **named})


def _parser(**texts: Any) -> ArgumentParser:
    return ArgumentParser(
        prog=_PROGRAM,
        exit_on_error=False,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **texts,
    )
