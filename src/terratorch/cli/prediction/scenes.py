"""Prediction per pixel goes scene by scene and tile by tile; a Trainer gives device and precision.

What our tasks and data modules do to a batch is known, so that it can be done to tiles. Others, and
labels of whole images, are predicted batch by batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch.utils.data import DataLoader

from terratorch.cli.callbacks.prediction_writer import PredictionWriter
from terratorch.cli.prediction.data import Images, images_of, is_ours
from terratorch.cli.prediction.distributed import check_can_spread, group_runner
from terratorch.cli.prediction.products import provenance_of
from terratorch.cli.prediction.scene_options import SceneChoices, check_used
from terratorch.cli.prediction.task_predictor import TaskPredictor, run_name
from terratorch.errors import ConfigurationError
from terratorch.prediction.scenes.scenes import ScenesReport, predict_scenes
from terratorch.tasks.band_checks import check_same_bands
from terratorch.tasks.base_task import TerraTorchTask

# What of a task has to be ours.
_TASK_METHODS = (
    "forward",
    "forward_batch",
    "forward_jointly",
    "predict_step",
    "prediction_of",
    "prediction_layers",
    "output_layer",
    "decide",
    # Lightning would call these; nobody does where files take the place of batches.
    "setup",
    "teardown",
    "configure_model",
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
    "on_predict_start",
    "on_predict_epoch_start",
    "on_predict_model_eval",
    "on_predict_batch_start",
    "on_predict_batch_end",
    "on_predict_epoch_end",
    "on_predict_end",
)


def predict(
    trainer: Trainer,
    task: LightningModule,
    datamodule: LightningDataModule | None,
    **options: Any,
) -> None:
    """Predict with a Trainer whose writers write: by tiles where that can be, else by batches.

    Args:
        trainer: The Trainer.
        task: The task.
        datamodule: The images.
        **options: Go to `Trainer.predict`, such as `ckpt_path`.
    """
    _choose_outputs(trainer, task)
    writer = _only_writer(trainer)
    images = images_of(datamodule) if writer is not None and predicts_pixels(task) else None
    for one in _writers(trainer):
        one.provenance = provenance_of(task, one.settings, one.checkpoint)
        check_can_spread(one.settings, images is not None, trainer.world_size)
        if images is None:
            check_used(one.settings, datamodule)
    if writer is None or images is None:
        trainer.predict(task, datamodule=datamodule, return_predictions=False, **options)
        return
    assert isinstance(task, TerraTorchTask), "others predict no pixels that we know of"
    check_same_bands(datamodule, task.settings.model_args, "predict", task.model)
    shows = trainer.progress_bar_callback is not None
    if trainer.progress_bar_callback is not None:
        trainer.progress_bar_callback.disable()  # it counts batches, of which there is one
    trainer.predict(
        _SceneTask(task, images, writer, shows),
        dataloaders=_one_share_each(images.paths, trainer.world_size),
        return_predictions=False,
        **options,
    )


def _choose_outputs(trainer: Trainer, task: LightningModule) -> None:
    """Let the task predict what the writers are asked to write, and refuse what they cannot."""
    for writer in _writers(trainer):
        wanted = writer.settings.outputs
        if isinstance(task, TerraTorchTask):
            if wanted is not None:
                task.choose_outputs(wanted)
            outputs = task.layer_outputs.values()
            writer.check_outputs(task.output_type, outputs, trainer.world_size)
        elif wanted is not None:
            raise ConfigurationError(
                "outputs",
                f"{type(task).__name__} is not one of our tasks, which know them",
                "Leave it out: its predict_step says what is written.",
            )


def _writers(trainer: Trainer) -> list[PredictionWriter]:
    callbacks: Sequence[Any] = getattr(trainer, "callbacks", ())
    return [callback for callback in callbacks if isinstance(callback, PredictionWriter)]


def _only_writer(trainer: Trainer) -> PredictionWriter | None:
    callbacks: Sequence[Any] = getattr(trainer, "callbacks", ())
    writers = [callback for callback in callbacks if isinstance(callback, BasePredictionWriter)]
    ours = len(writers) == 1 and isinstance(writers[0], PredictionWriter)
    return writers[0] if ours else None  # type: ignore[return-value]  # checked in `ours`


def predicts_labels(task: LightningModule) -> bool:
    """Whether a task is known to predict labels of images, which are written as one table."""
    return isinstance(task, TerraTorchTask) and task.output_type.per_image


def predicts_pixels(task: LightningModule) -> bool:
    """Whether a task predicts pixels, in a way that is ours and so known."""
    return (
        isinstance(task, TerraTorchTask)
        and not task.output_type.per_image
        and all(is_ours(task, name) for name in _TASK_METHODS)
    )


def _one_share_each(paths: Sequence[Path], processes: int) -> DataLoader[Any]:
    """Return a loader of file names: each process takes one share, whole, as one batch."""
    # Lightning warns that it has few workers, but it does not read the files.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    shares = [list(paths[rank::processes]) for rank in range(processes)]
    return DataLoader(shares, collate_fn=_only)  # type: ignore[arg-type]  # a list will do


def _only(shares: list[Any]) -> Any:
    return shares[0]


class _SceneTask(LightningModule):
    """A task that predicts files instead of batches."""

    def __init__(
        self,
        task: TerraTorchTask,
        images: Images,
        writer: PredictionWriter,
        shows_progress: bool,
    ) -> None:
        super().__init__()
        self.task, self.images = task, images
        self.writer, self.shows_progress = writer, shows_progress

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load the weights of the task."""
        return self.task.load_state_dict(state_dict, *args, **kwargs)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let the task check its checkpoint."""
        self.task.on_load_checkpoint(checkpoint)

    def predict_step(self, batch: list[Path], batch_idx: int) -> ScenesReport:
        """Write the maps of the files that this process takes."""
        task, images, writer = self.task, self.images, self.writer
        precision = self.trainer.precision_plugin
        choices = SceneChoices.of(writer.settings, task, images.batch_size)
        predictor = TaskPredictor(task, images.input_spec, choices, precision)
        name = run_name(predictor, writer.map_options)
        with group_runner(writer.settings, predictor, self.device) as run:
            return predict_scenes(
                batch,
                predictor.predictor(self.device, name),
                writer.folder,
                unreadable=images.failures,
                overwrite=writer.settings.overwrite,
                strict=writer.settings.strict,
                progress=self.shows_progress,
                run=run,
            )
