"""The help of the sub-commands that Lightning runs: the common options, on one screen."""

from __future__ import annotations

import sys

_STAGES = {
    "fit": "Train a model and validate it.",
    "validate": "Compute the metrics on the validation data.",
    "test": "Compute the metrics on the test data.",
}

_STAGE = """\
usage: terratorch {command} -c CONFIG [-c CONFIG ...] [options]

{summary}

options:
  -c, --config FILE           YAML with the sections trainer, model and data; later files override
  --ckpt_path FILE            {checkpoint}
  --custom_modules_path PATH  folder or file with your modules to import
  --SECTION.KEY VALUE         set any key of the configuration, for example
                                --trainer.max_epochs 10
                                --model.init_args.lr 1e-4
                                --data.init_args.batch_size 8
  --model.help NAME           show the arguments of a task; --data.help those of a data module
{own}  --print_config              show the whole configuration with all defaults, and stop
  --debug                     show the traceback of an error
  --help_all                  list every option, those of the Trainer included

`terratorch describe NAME` shows the arguments of a task, a data module or a part of a model.
"""

_CHECKPOINTS = {
    "fit": "the checkpoint to resume from",
    "validate": "the checkpoint to evaluate",
    "test": "the checkpoint to evaluate",
}
_OWN = {
    "fit": "  --deploy_config_file BOOL   write config_deploy.yaml next to config.yaml (true)\n",
    "test": "  --report BOOL               write report/report.html, an HTML page (true)\n",
}


def stage_help(command: str) -> str:
    """Return the help of `fit`, `validate` or `test`."""
    return _STAGE.format(
        command=command,
        summary=_STAGES[command],
        checkpoint=_CHECKPOINTS[command],
        own=_OWN.get(command, ""),
    )


def write_help(text: str) -> int:
    """Write a help text, and return the exit code."""
    sys.stdout.write(text)
    return 0


STATISTICS_HELP = """\
usage: terratorch compute_statistics -c CONFIG [-c CONFIG ...] [options]

Compute the mean and the standard deviation of each band of the training images, in one pass.
They are printed and written as YAML, to be pasted into data.init_args.

options:
  -c, --config FILE           YAML with the section data; others are ignored
  --output FILE               the file to write (./statistics.yaml)
  --custom_modules_path PATH  folder or file with your modules to import
  --data.KEY VALUE            set any key of the data module
  --debug                     show the traceback of an error
"""
