"""The command `terratorch`: find the sub-command, and import only what it needs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import terratorch
from terratorch.cli.terminal.arguments import SWITCHES, Invocation, split_arguments
from terratorch.cli.terminal.logs import set_up_logging, show_how_models_are_built
from terratorch.cli.terminal.reporting import run_reported
from terratorch.errors import ArgumentNameError, did_you_mean


@dataclass(frozen=True)
class Command:
    """A sub-command.

    Attributes:
        summary: Its purpose, in one line.
        target: Its function as `module:function`, the module below `terratorch.cli`; it takes the
            arguments and returns the exit code.
    """

    summary: str
    target: str


COMMANDS: dict[str, Command] = {
    "fit": Command("Train a model and validate it.", "commands.stages:fit"),
    "validate": Command("Compute the validation metrics.", "commands.stages:validate"),
    "test": Command("Compute the metrics on the test data.", "commands.stages:test"),
    "predict": Command(
        "Write a map for every image; a checkpoint is enough.",
        "commands.predict:main",
    ),
    "show": Command("Write a page with a map that opens in a browser.", "commands.show:main"),
    "report": Command("Write an HTML report of a test or a training.", "commands.report:main"),
    "compute_statistics": Command(
        "Compute means and standard deviations of the training data.",
        "commands.statistics:main",
    ),
    "list": Command("List backbones, decoders, tasks, ... by name.", "commands.catalog:list_main"),
    "describe": Command(
        "Describe a name: arguments, output, bands, weights.",
        "commands.describe:main",
    ),
    "demo": Command("Prepare sample data and a configuration in a folder.", "demo.command:main"),
}

_EXAMPLES = """\
examples:
  terratorch fit -c config.yaml
  terratorch fit -c config.yaml --trainer.max_epochs 1 --model.init_args.lr 1e-4
  terratorch test -c config.yaml --ckpt_path best.ckpt
  terratorch predict --ckpt_path best.ckpt --predict_data scenes/ --predict_output_dir maps/
  terratorch show maps/scene_pred.tif --image scenes/scene.tif
  terratorch report lightning_logs/version_1
  terratorch list backbones prithvi
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The arguments, by default those of the process.

    Returns:
        The exit code: 0 for success, 2 for a mistake that the user can fix, 3 if a prediction skips
        images, 130 after Ctrl-C, and 1 for any other error.
    """
    set_up_logging()
    arguments = list(sys.argv[1:] if argv is None else argv)
    return run_reported(lambda: _dispatch(split_arguments(arguments)), "--debug" in arguments)


def _dispatch(invocation: Invocation) -> int:
    if invocation.command is None:
        if invocation.version:
            sys.stdout.write(f"terratorch {terratorch.__version__}\n")
            return 0
        if invocation.arguments and not invocation.help:
            raise ArgumentNameError(
                " ".join(invocation.arguments),
                "the sub-command is missing",
                did_you_mean(invocation.arguments[0], SWITCHES)
                or f"Start with one of: terratorch {'|'.join(COMMANDS)}",
            )
        sys.stdout.write(_help())
        return 0
    if invocation.command not in COMMANDS:
        raise ArgumentNameError(
            f"sub-command '{invocation.command}'",
            f"is not one of {', '.join(COMMANDS)}",
            did_you_mean(invocation.command, COMMANDS),
        )
    show_how_models_are_built(invocation.command == "fit")
    module, _, function = COMMANDS[invocation.command].target.partition(":")
    run: Callable[[list[str]], int] = getattr(
        importlib.import_module(f"terratorch.cli.{module}"), function
    )
    return run(invocation.arguments)


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {row.summary}" for name, row in COMMANDS.items())
    return (
        "usage: terratorch COMMAND [options]\n\n"
        "Fine-tune, evaluate and run geospatial foundation models.\n\n"
        f"commands:\n{rows}\n\n"
        "options:\n"
        "  -h, --help  show this help; `terratorch COMMAND --help` shows that of a command\n"
        "  --version   show the version\n"
        "  --debug     show the traceback of an error\n\n"
        f"{_EXAMPLES}"
    )
