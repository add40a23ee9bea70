"""`terratorch predict`: from a checkpoint alone, or from a configuration and a checkpoint."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from terratorch.cli.commands.stages import (
    check_checkpoint,
    check_machine,
    import_given,
    read_given,
    run_prepared,
    setting,
    trainer_setting,
)
from terratorch.cli.lightning.hardware import check_hardware, check_precision
from terratorch.cli.prediction.arguments import bounds_in_one, first_checkpoint_apart
from terratorch.cli.prediction.distributed import check_distributed, devices_of
from terratorch.cli.prediction.files import check_data
from terratorch.cli.prediction.setting_checks import checked_settings
from terratorch.cli.prediction.settings import PredictionSettings, add_to_argparse
from terratorch.cli.terminal.arguments import CONFIG_OPTIONS, option_values, wants_help
from terratorch.cli.terminal.logs import show_lightning_messages
from terratorch.cli.terminal.option_parser import OptionParser
from terratorch.cli.terminal.output_folder import check_output_dir
from terratorch.cli.terminal.user_code import load_user_code
from terratorch.datasets.scenes.scene_files import SceneFiles
from terratorch.errors import ConfigurationError

_EPILOG = """\
A checkpoint is enough: it holds the model, the bands, the means and the tiling. With -c CONFIG the
model and the data come from that file, and its keys can be set as --SECTION.KEY VALUE.

examples:
  terratorch predict --ckpt_path best.ckpt --predict_data scenes/ --predict_output_dir maps/
  terratorch predict -c config.yaml --ckpt_path best.ckpt --predict_output_dir maps/
"""


def _parser() -> OptionParser:
    parser = OptionParser(
        prog="terratorch predict",
        description="Write one georeferenced map for every image.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-c", "--config", action="append", metavar="FILE", help="a configuration; may be repeated")
    add(
        "--ckpt_path",
        metavar="FILE ...",
        help="the checkpoint of the trained model; several predict together",
    )
    add(
        "--predict_data",
        nargs="+",
        metavar="PATH",
        help="files or folders to predict; NAME=PATH for each of several modalities",
    )
    add_to_argparse(parser)
    add("--num_workers", type=int, metavar="N", help="processes that read images to label (0)")
    add("--accelerator", default="auto", help="cpu, gpu, mps, ... (auto)")
    add("--devices", default="auto", help="how many devices, or which (auto)")
    add("--precision", help="such as 16-mixed or bf16-mixed")
    add("--custom_modules_path", metavar="PATH", help="folder or file with modules of your own")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `terratorch predict`."""
    arguments = bounds_in_one(first_checkpoint_apart(arguments))
    if option_values(arguments, *CONFIG_OPTIONS) and not wants_help(arguments):
        return _predict_with_configuration(arguments)
    return _predict_from_checkpoint(
        _parser().parse_args(arguments), checked_settings(arguments, {})
    )


def _predict_with_configuration(arguments: Sequence[str]) -> int:
    configuration = read_given("predict", arguments)
    settings = checked_settings(arguments, configuration.content)
    output_dir = settings.predict_output_dir
    if output_dir is None and not trainer_setting("callbacks", configuration, arguments):
        raise _missing_output()
    if output_dir is not None:
        check_output_dir(output_dir)
    if setting("ckpt_path", configuration, arguments) is None:
        raise _missing_checkpoint()
    check_distributed(settings)
    import_given(configuration, arguments)
    check_machine(configuration, arguments)
    _check_limits(settings)
    return run_prepared("predict", arguments)


def _predict_from_checkpoint(options: argparse.Namespace, settings: PredictionSettings) -> int:
    if options.ckpt_path is None:
        raise _missing_checkpoint()
    for path in (options.ckpt_path, *(settings.further_ckpt_paths or ())):
        check_checkpoint(path)
    paths = check_data(options.predict_data, settings.scene_folders)
    if settings.predict_output_dir is None:
        raise _missing_output()
    check_output_dir(settings.predict_output_dir)
    check_distributed(settings)
    _check_limits(settings)
    load_user_code(options.custom_modules_path)
    return _run(options, settings, paths)


def _check_limits(settings: PredictionSettings) -> None:
    """Read the area, so that a mistake there is told before a model is built."""
    limits = (settings.area, settings.area_crs, settings.valid_mask)
    if any(limit is not None for limit in limits):
        from terratorch.prediction.scenes.area import Limits

        Limits.given(*limits)


def _run(
    options: argparse.Namespace, settings: PredictionSettings, paths: Sequence[Path | SceneFiles]
) -> int:
    from terratorch.cli.callbacks.prediction_writer import PredictionWriter
    from terratorch.cli.lightning.trainer import MyTrainer
    from terratorch.cli.prediction.data import from_checkpoint
    from terratorch.cli.prediction.joint import predict_jointly
    from terratorch.cli.prediction.scenes import predict, predicts_labels, predicts_pixels
    from terratorch.tasks.checkpoint import read_checkpoint

    show_lightning_messages()
    check_hardware(options.accelerator, options.devices)
    check_precision(options.precision)
    checkpoint = read_checkpoint(options.ckpt_path)
    images = settings.batch_size if isinstance(settings.batch_size, int) else 1
    datamodule = from_checkpoint(checkpoint, paths, images, options.num_workers or 0)
    task = checkpoint.build_task()
    if options.num_workers is not None and predicts_pixels(task):
        raise ConfigurationError(
            "num_workers",
            f"{options.num_workers}, but scenes are read by a thread beside the model",
            "Leave it out: it is for images that get a label each.",
        )
    predict_jointly(task, settings, checkpoint)
    writer = PredictionWriter(settings=settings)
    writer.checkpoint = options.ckpt_path
    trainer = MyTrainer(
        accelerator=options.accelerator,
        devices=devices_of(settings, options.devices, predicts_labels(task)),
        precision=options.precision,
        logger=False,
        enable_checkpointing=False,
        callbacks=[writer],
    )
    predict(trainer, task, datamodule)
    return writer.say_what_was_written()


def _missing_output() -> ConfigurationError:
    return ConfigurationError(
        "predict_output_dir", "is missing", "Say where the maps go: --predict_output_dir DIR"
    )


def _missing_checkpoint() -> ConfigurationError:
    return ConfigurationError(
        "ckpt_path",
        "is missing; without a checkpoint the model has learnt nothing",
        "Give it: --ckpt_path FILE (`terratorch fit` prints where it keeps its checkpoints).",
    )
