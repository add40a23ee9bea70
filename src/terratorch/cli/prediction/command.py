"""`terratorch predict`: from a checkpoint alone, or from a configuration and a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from terratorch.cli.commands.stages import (
    check_checkpoint,
    import_given,
    read_given,
    run_prepared,
    setting,
    trainer_setting,
)
from terratorch.cli.prediction.arguments import join_bounds, split_checkpoints
from terratorch.cli.prediction.distributed import check_distributed, devices_of
from terratorch.cli.prediction.parser import parse_arguments, read_options
from terratorch.cli.terminal.arguments import CONFIG_OPTIONS, option_values, wants_help
from terratorch.cli.terminal.logs import show_lightning_messages
from terratorch.cli.terminal.output_folder import check_output_dir
from terratorch.cli.terminal.user_code import load_user_code
from terratorch.datasets.scenes.scene_files import SceneFiles
from terratorch.errors import ConfigurationError
from terratorch.prediction.files import find_scenes
from terratorch.prediction.options import PredictionOptions


def main(arguments: Sequence[str]) -> int:
    """Run `terratorch predict`."""
    arguments = join_bounds(split_checkpoints(arguments))
    if option_values(arguments, *CONFIG_OPTIONS) and not wants_help(arguments):
        return _predict_with_configuration(arguments)
    options = parse_arguments(arguments)
    return _predict_from_checkpoint(options, PredictionOptions.read(vars(options)))


def _predict_with_configuration(arguments: Sequence[str]) -> int:
    configuration = read_given("predict", arguments)
    settings = read_options(arguments, configuration.content)
    output_dir = settings.predict_output_dir
    if output_dir is None and not trainer_setting("callbacks", configuration, arguments):
        raise _missing_output()
    if output_dir is not None:
        check_output_dir(output_dir)
    if setting("ckpt_path", configuration, arguments) is None:
        raise _missing_checkpoint()
    check_distributed(settings)
    import_given(configuration, arguments)
    _check_limits(settings)
    return run_prepared("predict", arguments)


def _predict_from_checkpoint(options: Namespace, settings: PredictionOptions) -> int:
    if options.ckpt_path is None:
        raise _missing_checkpoint()
    for path in (options.ckpt_path, *(settings.further_ckpt_paths or ())):
        check_checkpoint(path)
    paths = find_scenes(options.predict_data, settings.scene_folders)
    if settings.predict_output_dir is None:
        raise _missing_output()
    check_output_dir(settings.predict_output_dir)
    check_distributed(settings)
    _check_limits(settings)
    load_user_code(options.custom_modules_path)
    return _run(options, settings, paths)


def _check_limits(settings: PredictionOptions) -> None:
    """Read the area, so that a mistake there is told before a model is built."""
    limits = (settings.area, settings.area_crs, settings.valid_mask)
    if any(limit is not None for limit in limits):
        from terratorch.prediction.scenes.area import Limits

        Limits.from_options(*limits)


def _run(
    options: Namespace, settings: PredictionOptions, paths: Sequence[Path | SceneFiles]
) -> int:
    from terratorch.cli.callbacks.prediction_writer import PredictionWriter
    from terratorch.cli.lightning.hardware import check_hardware
    from terratorch.cli.lightning.trainer import MyTrainer
    from terratorch.cli.prediction.data import from_checkpoint
    from terratorch.cli.prediction.joint import predict_jointly
    from terratorch.cli.prediction.scenes import predict, predicts_labels, predicts_pixels
    from terratorch.tasks.checkpoint import read_checkpoint

    show_lightning_messages()
    check_hardware(vars(options), section="")
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
