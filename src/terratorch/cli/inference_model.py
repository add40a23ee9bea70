"""Maps from Python: a trained model that takes a file and gives a tensor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch import Tensor

from terratorch.cli.parsing.configuration import read_configuration
from terratorch.cli.prediction.checks import check_used_in_python
from terratorch.cli.prediction.sources import source_for, source_of
from terratorch.cli.prediction.trainer_run import (
    load_weights,
    predictor_of,
    runs_without_trainer,
)
from terratorch.cli.terminal.logs import quiet_lightning
from terratorch.cli.terminal.user_code import load_user_code
from terratorch.contracts.outputs import Boxes
from terratorch.contracts.prediction import Prediction
from terratorch.datamodules.prediction import PredictionDataModule
from terratorch.errors import ConfigurationError
from terratorch.prediction.files import find_scenes
from terratorch.prediction.options import PredictionOptions
from terratorch.prediction.outputs.types import OUTPUT_TYPES
from terratorch.prediction.predictor import trained_input
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.checkpoint import read_checkpoint


class LightningInferenceModel:
    """A trained model, with all that is needed to predict from files.

    Args:
        trainer: Runs the prediction.
        model: The task.
        datamodule: Defines how images are read and normalised (`input_spec`), and which images
            `inference_on_dir` takes by default.
        checkpoint_path: The weights; None if the model has them.

    Examples:
        >>> model = LightningInferenceModel.from_checkpoint("best.ckpt")  # doctest: +SKIP
        >>> classes = model.inference("scene.tif")  # doctest: +SKIP
    """

    def __init__(
        self,
        trainer: Trainer,
        model: LightningModule,
        datamodule: LightningDataModule,
        checkpoint_path: Path | None = None,
    ) -> None:
        self.trainer = trainer
        self.model = model
        self.datamodule = datamodule
        self.checkpoint_path = checkpoint_path
        if checkpoint_path is not None:
            load_weights(model, checkpoint_path)

    @classmethod
    def from_config(
        cls,
        config_path: str | Path,
        checkpoint_path: str | Path | None = None,
        predict_dataset_bands: list[str] | None = None,
        predict_output_bands: list[str] | None = None,
    ) -> LightningInferenceModel:
        """Build it from a configuration, as `fit` was given or saved it.

        Args:
            config_path: The YAML.
            checkpoint_path: The checkpoint of the trained model.
            predict_dataset_bands: The bands of the files to predict, if they hold others.
            predict_output_bands: Those of them that go to the model, if named otherwise.

        Raises:
            ConfigurationError: If it holds options of `terratorch predict` that would change a map.
        """
        from terratorch.cli.lightning.lightning_cli import build_lightning_cli
        from terratorch.cli.parsing.class_names import import_named_classes

        configuration = read_configuration([str(config_path)])
        load_user_code(configuration.content.get("custom_modules_path"))
        import_named_classes(configuration, [])
        arguments = ["--config", str(config_path)]
        bands = {
            "predict_dataset_bands": predict_dataset_bands,
            "predict_output_bands": predict_output_bands,
        }
        for name, value in bands.items():
            if value is not None:
                arguments += [f"--data.init_args.{name}", str(value)]
        with quiet_lightning():
            cli = build_lightning_cli(arguments, run=False)
        check_used_in_python(PredictionOptions.read(configuration.content))
        return cls.from_task_and_datamodule(cli.model, cli.datamodule, checkpoint_path)

    @classmethod
    def from_task_and_datamodule(
        cls,
        task: LightningModule,
        datamodule: LightningDataModule,
        checkpoint_path: str | Path | None = None,
    ) -> LightningInferenceModel:
        """Build it from a task and a data module that are there already.

        Args:
            task: The task.
            datamodule: The data module.
            checkpoint_path: The checkpoint of the trained model; None if the task has its weights.
        """
        path = None if checkpoint_path is None else Path(checkpoint_path)
        return cls(_trainer(), task, datamodule, path)

    @classmethod
    def from_checkpoint(cls, path: str | Path) -> LightningInferenceModel:
        """Build it from a checkpoint alone.

        Args:
            path: The checkpoint.
        """
        checkpoint = read_checkpoint(path)
        datamodule = PredictionDataModule([], trained_input(checkpoint))
        return cls(_trainer(), checkpoint.build_task(), datamodule)

    def inference(self, file_path: str | Path | Mapping[str, str | Path]) -> Tensor | Boxes:
        """Predict one file, or one scene.

        Args:
            file_path: The image; or the file of each modality, where the model takes several.

        Returns:
            The map `(H, W)` of class ids or values, or what else the main layer of the task holds.
            Pixels where the image is nodata are what the map of `terratorch predict` has there: 255
            among class ids, NaN among values.

        Raises:
            ConfigurationError: If it is a folder.
            DataError: If the files of the modalities make no scene, or it cannot be predicted.
        """
        for path in file_path.values() if isinstance(file_path, Mapping) else [file_path]:
            if Path(path).is_dir():
                raise ConfigurationError(
                    f"inference('{path}')",
                    "is a folder",
                    "Use inference_on_dir for the images of a folder.",
                )
        return self._predict(file_path)[0][0]

    def inference_on_dir(
        self, folder: str | Path | Mapping[str, str | Path] | None = None
    ) -> tuple[Tensor | list[Tensor | Boxes], list[str]]:
        """Predict all images of a folder.

        Args:
            folder: The folder; or one for each modality, whose files are paired by name; None takes
                the images of the data module.

        Returns:
            The maps as `inference` gives them, stacked to `(N, H, W)` where all have one size, and
            the files that they belong to; of modalities, a virtual raster called like the scene.

        Raises:
            DataError: If one of them is not a scene, or cannot be predicted; none is skipped.
        """
        import torch

        maps, files = self._predict(folder)
        tensors = [each for each in maps if isinstance(each, torch.Tensor)]
        one_size = len(tensors) == len(maps) and len({each.shape for each in tensors}) == 1
        return (torch.stack(tensors) if one_size else maps), files

    def _predict(
        self, images: str | Path | Mapping[str, str | Path] | None
    ) -> tuple[list[Tensor | Boxes], list[str]]:
        predictions = self._run(images)
        every = [image for prediction in predictions for image in prediction.split()]
        maps = [OUTPUT_TYPES[type(image.main)].in_python(image) for image in every]
        return maps, [name for prediction in predictions for name in prediction.filenames]

    def _run(self, images: str | Path | Mapping[str, str | Path] | None) -> list[Prediction]:
        """Predict with model and objective if that is enough, else batch by batch."""
        task, datamodule = self.model, self.datamodule
        source = None
        if images is not None:
            paths = (
                [f"{name}={path}" for name, path in images.items()]
                if isinstance(images, Mapping)
                else [str(images)]
            )
            source = source_for(datamodule, find_scenes(paths))
        if runs_without_trainer(task, self.trainer):
            assert isinstance(task, TerraTorchTask), "runs_without_trainer checks it"
            source = source or source_of(datamodule)
            if source is not None:
                predictor = predictor_of(task, datamodule, source, self.trainer)
                return predictor.predict_in_memory(source.scenes, source.batch_size)
        with quiet_lightning():
            results: Any = self.trainer.predict(
                task,
                datamodule=datamodule if source is None else source.datamodule(),
                return_predictions=True,
            )
        return [prediction.cpu() for prediction in results]


def _trainer() -> Trainer:
    with quiet_lightning():
        return Trainer(
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
