"""`terratorch predict`: from a checkpoint alone, or from a configuration and a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from terratorch.cli.commands.stages import (
    check_checkpoint,
    import_named,
    read_checked,
    run_prepared,
    setting,
    trainer_setting,
)
from terratorch.cli.prediction.arguments import join_bounds, split_checkpoints
from terratorch.cli.prediction.parser import parse_arguments, read_options
from terratorch.cli.terminal.arguments import CONFIG_OPTIONS, option_values, wants_help
from terratorch.cli.terminal.output_folder import check_output_dir
from terratorch.cli.terminal.user_code import load_user_code
from terratorch.datasets.scenes.scene_files import ModalityFiles
from terratorch.errors import ConfigurationError
from terratorch.prediction.files import find_scenes
from terratorch.prediction.options import AREA_OPTIONS, PredictionOptions, missing_folder
from terratorch.prediction.spread.cluster import check_distributed

if TYPE_CHECKING:
    from terratorch.tasks.checkpoint import CheckpointInfo


def main(arguments: Sequence[str]) -> int:
    """Run `terratorch predict`."""
    arguments = join_bounds(split_checkpoints(arguments))
    if option_values(arguments, *CONFIG_OPTIONS) and not wants_help(arguments):
        return _predict_with_configuration(arguments)
    parsed = parse_arguments(arguments)
    return _predict_from_checkpoint(parsed, PredictionOptions.read(vars(parsed)))


def _predict_with_configuration(arguments: Sequence[str]) -> int:
    configuration = read_checked("predict", arguments)
    options = read_options(arguments, configuration.content)
    output_dir = options.predict_output_dir
    if output_dir is None and not trainer_setting("callbacks", configuration, arguments):
        raise missing_folder()
    if output_dir is not None:
        check_output_dir(output_dir)
    if setting("ckpt_path", configuration, arguments) is None:
        raise _missing_checkpoint()
    check_distributed(options)
    import_named(configuration, arguments)
    _check_area(options)
    return run_prepared("predict", arguments)


def _predict_from_checkpoint(parsed: Namespace, options: PredictionOptions) -> int:
    if parsed.ckpt_path is None:
        raise _missing_checkpoint()
    for path in (parsed.ckpt_path, *(options.further_ckpt_paths or ())):
        check_checkpoint(path)
    scenes = find_scenes(parsed.predict_data, options.scene_folders)
    if options.predict_output_dir is None:
        raise missing_folder()
    check_output_dir(options.predict_output_dir)
    check_distributed(options)
    _check_area(options)
    load_user_code(parsed.custom_modules_path)
    return _run(parsed, options, scenes)


def _check_area(options: PredictionOptions) -> None:
    """Read the area, so that a mistake in it is reported before a model is built."""
    limits = [getattr(options, name) for name in AREA_OPTIONS]
    if any(limit is not None for limit in limits):
        from terratorch.prediction.scenes.area import Limits

        Limits.from_options(*limits)


def _run(
    parsed: Namespace, options: PredictionOptions, scenes: Sequence[Path | ModalityFiles]
) -> int:
    """Predict in this process, unless several share the scenes or the task has its own hooks."""
    from terratorch.cli.prediction.checks import choose_devices
    from terratorch.cli.prediction.messages import print_report
    from terratorch.cli.prediction.processes import is_launched
    from terratorch.prediction.device import AUTO, Precision, find_devices
    from terratorch.prediction.predictor import Predictor
    from terratorch.prediction.run import predict
    from terratorch.tasks.checkpoint import read_checkpoint

    find_devices(parsed.accelerator, parsed.devices)  # before a model is built
    precision = Precision.parse(parsed.precision)
    checkpoint = read_checkpoint(parsed.ckpt_path)
    if checkpoint.custom_hooks:
        return _run_with_trainer(parsed, options, scenes, checkpoint)
    predictor = Predictor.from_checkpoint(checkpoint, "cpu", precision.name)
    is_table = predictor.predicts_images_whole
    parsed.devices = choose_devices(options, parsed.devices, is_table)
    devices = find_devices(parsed.accelerator, parsed.devices)
    if len(devices) > 1 or (is_launched() and parsed.devices == AUTO):
        return _run_with_trainer(parsed, options, scenes, checkpoint)
    report = predict(
        predictor.to(devices[0]),
        scenes,
        options,
        num_workers=parsed.num_workers,
        progress=True,
    )
    assert options.predict_output_dir is not None, "_predict_from_checkpoint checks it"
    return print_report(report, options.predict_output_dir)


def _run_with_trainer(
    parsed: Namespace,
    options: PredictionOptions,
    scenes: Sequence[Path | ModalityFiles],
    checkpoint: CheckpointInfo,
) -> int:
    """Predict in the processes of a Trainer, or batch by batch with the hooks of a task."""
    from terratorch.cli.lightning.trainer import MyTrainer
    from terratorch.cli.prediction.sources import ImageSource
    from terratorch.cli.prediction.trainer_run import add_ensemble, predict_with_trainer
    from terratorch.cli.prediction.writer import PredictionWriter
    from terratorch.cli.terminal.logs import show_lightning_messages
    from terratorch.prediction.predictor import trained_input

    show_lightning_messages()
    task = checkpoint.build_task()
    add_ensemble(task, options, checkpoint)
    writer = PredictionWriter(settings=options)
    writer.checkpoint = parsed.ckpt_path
    trainer = MyTrainer(
        accelerator=parsed.accelerator,
        devices=parsed.devices,
        precision=parsed.precision,
        logger=False,
        enable_checkpointing=False,
        callbacks=[writer],
    )
    size = options.batch_size if isinstance(options.batch_size, int) else 1
    source = ImageSource(scenes, trained_input(checkpoint), size, parsed.num_workers or 0)
    predict_with_trainer(trainer, task, source)
    return writer.print_report()


def _missing_checkpoint() -> ConfigurationError:
    return ConfigurationError(
        "ckpt_path",
        "is missing, and without a checkpoint the model is not trained",
        "Add --ckpt_path FILE; `terratorch fit` prints the paths of its checkpoints.",
    )
