"""Predict with a task and a Trainer, as a configuration names them.

A task that overrides no hook of prediction (`custom_hooks` is empty), with a data module and a
writer of terratorch, is predicted by `terratorch.prediction`, on the devices and in the precision
of the Trainer. Everything else runs batch by batch in `Trainer.predict`, which calls each hook.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter, ProgressBar

from terratorch.cli.prediction.checks import check_batch_size, check_processes
from terratorch.cli.prediction.processes import gathered, process_group, run_in_processes
from terratorch.cli.prediction.sources import ImageSource, source_of
from terratorch.cli.prediction.writer import CustomWriter, PredictionWriter
from terratorch.datamodules.base import GenericDataModule
from terratorch.datamodules.prediction import PredictionDataModule
from terratorch.datasets.facts import read_given_facts
from terratorch.errors import ConfigurationError
from terratorch.models.weights import read_checkpoint_file, state_dict_in
from terratorch.prediction.device import PRECISIONS, Precision
from terratorch.prediction.ensembles import Member, build_ensemble
from terratorch.prediction.map_products import check_outputs
from terratorch.prediction.options import ENSEMBLE_OPTIONS, PredictionOptions
from terratorch.prediction.predictor import Predictor
from terratorch.prediction.report import PredictionReport
from terratorch.prediction.run import check_whole_images, predict
from terratorch.tasks.band_checks import check_bands
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.checkpoint import CheckpointInfo, read_checkpoint


def predict_with_trainer(
    trainer: Trainer,
    task: LightningModule,
    images: ImageSource | LightningDataModule | None,
    datamodule: LightningDataModule | None = None,
    ckpt_path: str | None = None,
    **options: Any,
) -> None:
    """Predict images with a task, and write what the writers of a Trainer are for.

    Args:
        trainer: The Trainer.
        task: The task.
        images: The images, or the data module that has them.
        datamodule: The data module of the configuration, to check its bands.
        ckpt_path: The weights; None if the task has them.
        **options: Further arguments of `Trainer.predict`.
    """
    writers = [each for each in _callbacks(trainer) if isinstance(each, PredictionWriter)]
    _choose_outputs(task, writers)
    writer = _only_writer(trainer)
    is_local = ckpt_path is None or Path(ckpt_path).is_file()
    if writer is not None and is_local and runs_without_trainer(task, trainer):
        source = images if isinstance(images, ImageSource) else source_of(images)
        if source is not None:
            assert isinstance(task, TerraTorchTask), "runs_without_trainer checks it"
            _predict_files(trainer, task, datamodule, source, writer, ckpt_path)
            return
    size = None
    if isinstance(images, ImageSource):
        size, images = images.batch_size, images.datamodule()
    for each in writers:
        check_processes(each.settings, predicts_labels(task), trainer.world_size)
        check_whole_images(each.settings)
        check_batch_size(each.settings, size)
        _set_facts(each.settings, images)
    trainer.predict(
        task, datamodule=images, return_predictions=False, ckpt_path=ckpt_path, **options
    )


def load_ensemble(
    task: LightningModule, options: PredictionOptions, ckpt_path: str | None
) -> str | None:
    """Add the views and further checkpoints of the options to a task.

    Returns:
        The weights to load later; None if they had to be loaded before those of others.
    """
    if not options.further_ckpt_paths:
        add_ensemble(task, options, None)
        return ckpt_path
    first = read_checkpoint(str(ckpt_path))
    load_weights(task, first.path)  # before the task holds other models as well
    add_ensemble(task, options, first)
    return None


def add_ensemble(
    task: LightningModule, options: PredictionOptions, first: CheckpointInfo | None
) -> None:
    """Add the views and further checkpoints of the options to a task.

    Args:
        task: The task.
        options: The options.
        first: Its checkpoint, to compare with further ones; None without further ones.

    Raises:
        ConfigurationError: If the task has its own way to predict, or options cannot be used.
    """
    names = [name for name in ENSEMBLE_OPTIONS if getattr(options, name)]
    if not names:
        return
    name = type(task).__name__
    if not isinstance(task, TerraTorchTask) or _PREDICTING & task.custom_hooks:
        raise ConfigurationError(
            names[0],
            f"{name} makes its predictions in its own way",
            "Remove it: a task that overrides a hook of prediction cannot use it.",
        )
    tiles = task.settings.tiles.parameters
    task.ensemble = build_ensemble(
        options, Member(name, task.objective, tiles, task.chip_size), first
    )


# Hooks that make the scores of a prediction.
_PREDICTING = frozenset({"predict_step"})


def runs_without_trainer(task: LightningModule, trainer: Trainer) -> bool:
    """Return whether model and objective of a task are enough to predict as its Trainer would."""
    is_ours = isinstance(task, TerraTorchTask) and not task.custom_hooks
    return is_ours and str(trainer.precision) in PRECISIONS


def predicts_labels(task: LightningModule) -> bool:
    """Return whether a task is known to predict labels of images, which make one table."""
    return isinstance(task, TerraTorchTask) and task.objective.output_type.per_image


def load_weights(task: LightningModule, path: str | Path) -> None:
    """Load a checkpoint into a task, as a Trainer does."""
    checkpoint: Any = read_checkpoint_file(path)
    task.load_state_dict(state_dict_in(checkpoint, Path(path)))
    task.on_load_checkpoint(checkpoint)


def predictor_of(
    task: TerraTorchTask,
    datamodule: LightningDataModule | None,
    source: ImageSource,
    trainer: Trainer,
) -> Predictor:
    """Return a predictor with the model of a task, on the device of a Trainer."""
    check_bands(datamodule, task.model, "predict")
    precision = Precision.parse(trainer.precision)
    return Predictor.from_task(task, source.input_spec, trainer.strategy.root_device, precision)


def _predict_files(
    trainer: Trainer,
    task: TerraTorchTask,
    datamodule: LightningDataModule | None,
    source: ImageSource,
    writer: PredictionWriter,
    ckpt_path: str | None,
) -> None:
    """Predict the share of each process, and gather the reports in the writer."""
    writer.check_folder()
    options = replace(writer.settings, predict_output_dir=str(writer.output_dir))
    check_processes(options, predicts_labels(task), trainer.world_size)
    if ckpt_path is not None:
        load_weights(task, ckpt_path)

    def run() -> list[PredictionReport]:
        group = process_group()
        predictor = predictor_of(task, datamodule, source, trainer)
        files = (writer.checkpoint, *(options.further_ckpt_paths or ()))
        predictor.checkpoints = tuple(Path(file) for file in files if file is not None)
        with _other_callbacks(trainer, task, writer):
            report = predict(
                predictor,
                source.scenes[trainer.global_rank :: trainer.world_size],
                options,
                num_workers=source.num_workers if predictor.predicts_images_whole else None,
                batch_size=source.batch_size,
                progress=trainer.progress_bar_callback is not None,
            )
        return gathered(report, group)

    writer.take(run_in_processes(trainer, run), trainer.is_global_zero)


def _set_facts(options: PredictionOptions, datamodule: LightningDataModule | None) -> None:
    """Let a data module replace dates and location, and refuse them if it cannot."""
    facts = read_given_facts(options.date, options.location)
    if isinstance(datamodule, PredictionDataModule | GenericDataModule):
        datamodule.given_facts = facts
    elif facts.names:
        raise ConfigurationError(
            "date" if facts.dates else "location",
            f"is for images of our data modules, and {type(datamodule).__name__} is your own",
            "Remove it, and add temporal_coords and location_coords to the batches.",
        )


def _choose_outputs(task: LightningModule, writers: Sequence[PredictionWriter]) -> None:
    """Let the task predict the outputs of the writers, and refuse those that it cannot."""
    for writer in writers:
        names = writer.settings.outputs
        if isinstance(task, TerraTorchTask):
            if names is not None:
                task.objective.choose_outputs(names)
            outputs = task.objective.layer_outputs.values()
            check_outputs(writer.settings, task.objective.output_type, outputs)
        elif names is not None:
            raise ConfigurationError(
                "outputs",
                f"{type(task).__name__} is not a task of terratorch, which can choose them",
                "Remove it: its predict_step decides what is written.",
            )


def _callbacks(trainer: Trainer) -> list[Callback]:
    return list(getattr(trainer, "callbacks", ()))


def _only_writer(trainer: Trainer) -> PredictionWriter | None:
    """Return the writer if it is the only one, and not a class of the user's own."""
    writers = [each for each in _callbacks(trainer) if isinstance(each, BasePredictionWriter)]
    if len(writers) == 1 and type(writers[0]) in (PredictionWriter, CustomWriter):
        return writers[0]  # type: ignore[return-value]  # it is one of these
    return None


@contextmanager
def _other_callbacks(
    trainer: Trainer, task: LightningModule, writer: PredictionWriter
) -> Iterator[None]:
    """Call the hooks of callbacks around a prediction; there are no batches for the others."""
    others = [
        each
        for each in _callbacks(trainer)
        if each is not writer and not isinstance(each, ProgressBar) and _predicts(each)
    ]
    task.trainer = trainer
    for each in others:
        each.setup(trainer, task, "predict")
        each.on_predict_start(trainer, task)
        each.on_predict_epoch_start(trainer, task)
    try:
        yield
    except BaseException as error:
        for each in others:
            each.on_exception(trainer, task, error)
        raise
    for each in others:
        each.on_predict_epoch_end(trainer, task)
        each.on_predict_end(trainer, task)
        each.teardown(trainer, task, "predict")


def _predicts(callback: Callback) -> bool:
    """Return whether a callback has hooks for the start or the end of a prediction."""
    names = ("start", "epoch_start", "epoch_end", "end")
    hooks = (f"on_predict_{name}" for name in names)
    return any(getattr(type(callback), name) is not getattr(Callback, name) for name in hooks)
