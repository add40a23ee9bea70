"""What all tasks share: model, optimizer, steps, logging, plots, tiles, checkpoints."""

from __future__ import annotations

import inspect
import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from lightning.pytorch.core.mixins.hparams_mixin import HyperparametersMixin
from lightning.pytorch.utilities.parsing import collect_init_args
from torch import Tensor, nn
from torchmetrics import MetricCollection

from terratorch.contracts.input_spec import InputSpec
from terratorch.errors import ConfigurationError, DataError
from terratorch.losses.combined import build_losses, load_loss
from terratorch.models.inputs import inputs_of_batch
from terratorch.models.model import ModelOutput
from terratorch.tasks import checkpoint_format
from terratorch.tasks.band_checks import check_band_count, check_same_bands
from terratorch.tasks.batch_checks import BatchChecks, check_epoch, check_same_classes
from terratorch.tasks.figures import datasets_of, figure_senders, plot_samples
from terratorch.tasks.fitted_chips import FittedChips
from terratorch.tasks.loss_handler import LossHandler, zero_losses
from terratorch.tasks.model_building import build_model, check_given_model, freeze_parts
from terratorch.tasks.monitors import check_callbacks
from terratorch.tasks.optimizer_factory import (
    DEFAULT_OPTIMIZER,
    optimizer_factory,
    parameter_groups,
)
from terratorch.tasks.predicting import PredictingTask
from terratorch.tasks.prediction_checks import PredictionChecks
from terratorch.tasks.records import write_metrics
from terratorch.tasks.settings import PATH, TaskSettings, holds_module, to_plain
from terratorch.tasks.step_result import StepResult
from terratorch.tasks.whole_scenes import SceneTiles
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.tiling import ChipSize

logger = logging.getLogger(__name__)


class TerraTorchTask(PredictingTask):
    """The base of all tasks.

    A task gives its losses (`loss_names`, `build_loss`), its metrics (`build_metrics`) and its
    prediction (`decide`, `available_outputs`). All arguments of its constructor are
    hyperparameters, and those that tasks share are in `settings`.

    Args:
        task: What the model factory builds a head for, such as `segmentation`.
        tiled_inference_on_testing: Whether tests run tile by tile.
        tiled_inference_on_validation: Whether validation runs tile by tile.
        plot_on_val: Every how many epochs samples are plotted; True for each, False for none.
        path_to_record_metrics: Where the metrics of a test are written: a `.csv` or `.json` file,
            or a folder for `test_metrics.csv`.
        model: A model that is built already.
    """

    monitor = "val/loss"
    target_key: ClassVar[str] = "mask"
    loss_names: ClassVar[tuple[str, ...]] = ()

    criterion: nn.Module
    train_metrics: MetricCollection
    val_metrics: MetricCollection
    test_metrics: Sequence[MetricCollection]

    def __init__(
        self,
        task: str | None = None,
        tiled_inference_on_testing: bool = False,
        tiled_inference_on_validation: bool = False,
        plot_on_val: bool | int = False,
        path_to_record_metrics: str | None = None,
        model: nn.Module | None = None,
    ) -> None:
        super().__init__()
        arguments = _constructor_arguments()
        self.settings = TaskSettings.from_arguments(arguments)
        self.save_hyperparameters(
            {name: to_plain(value, name) for name, value in arguments.items()}
        )
        self.checks = BatchChecks()
        self.layer_outputs = self.default_layers()
        self.prediction_checks = PredictionChecks()
        self.ensemble = None
        self.scene_tiles = SceneTiles(self.settings, not self.output_type.per_image)
        # Of the data module of the Trainer, or of the checkpoint that this was loaded from.
        self.input_spec: InputSpec | None = None
        self.fitted_facts: set[str] | None = None
        self.fitted_chips = FittedChips()
        # Whether the arguments alone, as they are in a checkpoint, build the model again.
        self.model_by_name = model is None and not holds_module(self.settings.model_args)
        check_given_model(model, self.settings)
        if model is not None:
            self.model = model
        self.configure_models()
        self.configure_losses()
        self.configure_metrics()

    # What a task gives

    @abstractmethod
    def build_loss(self, name: str) -> nn.Module:
        """Return the loss of this name, one of `loss_names`: `(prediction, target)` to a scalar."""

    @abstractmethod
    def build_metrics(self) -> MetricCollection:
        """Return the metrics under their public names, without the prefix of a stage."""

    def valid_targets(self, target: Tensor) -> Tensor | None:
        """Return where a target counts; None where it does everywhere."""
        ignored = self.settings.ignore_index
        return None if ignored is None else target != ignored

    def target_of(self, batch: Mapping[str, Any], output: Tensor) -> Tensor:
        """Return the target of a batch in the form that the criterion takes."""
        target: Tensor = batch[self.target_key]
        return target

    @property
    def num_classes(self) -> int | None:
        """How many classes there are; None where the target is no class id."""
        return None

    # Set-up

    def configure_models(self) -> None:
        """Build the model unless one is given, and freeze the parts that are not trained."""
        if not isinstance(getattr(self, "model", None), nn.Module):
            self.model = build_model(self.hparams["task"], self.settings)
        freeze_parts(self.model, self.settings)

    def configure_losses(self) -> None:
        """Set the criterion from the names of losses, a module, or the path of a class."""
        loss = self.settings.loss
        if isinstance(loss, nn.Module):
            self.criterion = loss
        elif self.settings.custom_loss:
            self.criterion = load_loss(loss, self.settings.custom_loss_kwargs or {})
        else:
            self.criterion = build_losses(loss, self.loss_names, self.build_loss)

    def configure_metrics(self) -> None:
        """Build the metrics of each stage, and of each named test set."""
        metrics = self.build_metrics()
        self.train_metrics = metrics.clone(prefix="train/")
        self.val_metrics = metrics.clone(prefix="val/")
        self._set_test_names(self.settings.test_dataloaders_names)

    def _set_test_names(self, names: Sequence[str] | None) -> None:
        self.test_prefixes = ["test/"] if names is None else [f"test/{name}/" for name in names]
        metrics = [self.val_metrics.clone(prefix=prefix) for prefix in self.test_prefixes]
        self.test_metrics = nn.ModuleList(metrics)  # type: ignore[assignment] # it is a sequence of them

    def configure_optimizers(self) -> Any:
        """Return the optimizer and scheduler of the settings."""
        settings = self.settings
        if not any(parameter.requires_grad for parameter in self.parameters()):
            raise ConfigurationError(
                f"{PATH}.freeze_backbone, freeze_decoder, freeze_head",
                "all parameters are frozen, so there is nothing to train",
            )
        return optimizer_factory(
            settings.optimizer or DEFAULT_OPTIMIZER,
            settings.lr,
            parameter_groups(self.named_parameters(), settings.lr_overrides),
            settings.optimizer_hparams,
            settings.scheduler,
            self.monitor,
            settings.scheduler_hparams,
        )

    # Forward

    def forward(self, *args: Any, **kwargs: Any) -> ModelOutput:
        """Return the output of the model; a model that returns a tensor will do."""
        output = self.model(*args, **kwargs)
        return ModelOutput(output) if isinstance(output, Tensor) else output

    def forward_batch(
        self,
        batch: Mapping[str, Any],
        tiles: TiledInferenceParameters | None = None,
        forward: Callable[..., ModelOutput] | None = None,
    ) -> ModelOutput:
        """Return the output for a batch, at once or tile by tile.

        Args:
            batch: The batch.
            tiles: How its images are cut; None runs them whole.
            forward: What runs, by default the model.
        """
        forward = forward or self
        check_band_count(batch["image"], self.settings.model_args)
        images, extras = inputs_of_batch(self.model, self._spec_of_batches(), batch)
        self._remember_facts(extras)
        if tiles is None:
            return forward(images, **extras)
        from terratorch.tiles.tiled import tiled_inference

        return ModelOutput(tiled_inference(forward, images, inference_parameters=tiles, **extras))

    def _spec_of_batches(self) -> InputSpec | None:
        """Return how the batches were read, with the facts that the model was trained with."""
        spec = getattr(getattr(self._trainer, "datamodule", None), "input_spec", None)
        if not isinstance(spec, InputSpec):
            return self.input_spec
        is_trained = self._trainer is not None and not self._trainer.training
        return spec.with_facts(self.fitted_facts) if is_trained else spec

    def _remember_facts(self, extras: Mapping[str, Any]) -> None:
        if self.training and self._trainer is not None:
            self.fitted_facts = (self.fitted_facts or set()) | extras.keys()

    # Steps

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        return self._step(batch, "train/", self.train_metrics).loss

    def validation_step(
        self, batch: Mapping[str, Any], batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Log the loss of a batch, count its metrics, and plot the first samples."""
        tiles = self.scene_tiles.validation(batch["image"], self.chip_size)
        result = self._step(batch, "val/", self.val_metrics, tiles)
        if batch_idx == 0 and dataloader_idx == 0 and self._plots_are_due():
            self._plot(batch, result.decided)

    def test_step(  # type: ignore[override] # callbacks get what is returned, whatever it is
        self, batch: Mapping[str, Any], batch_idx: int, dataloader_idx: int = 0
    ) -> StepResult:
        """Log the loss of a batch of a test set, count its metrics, and return what it found."""
        tiles = self.scene_tiles.testing(batch["image"], self.chip_size)
        metrics = self.test_metrics[dataloader_idx]
        return self._step(batch, self.test_prefixes[dataloader_idx], metrics, tiles)

    def _step(
        self,
        batch: Mapping[str, Any],
        prefix: str,
        metrics: MetricCollection,
        tiles: TiledInferenceParameters | None = None,
    ) -> StepResult:
        """Log the loss of a batch, count its metrics, and return what was found."""
        if self.target_key not in batch:
            raise DataError(
                "batch",
                f"has no {self.target_key!r}, but {', '.join(batch)}",
                "Give each sample its label.",
            )
        raw: Tensor = batch[self.target_key]
        valid = self.valid_targets(raw)
        counts = self.checks.check(batch, raw, valid, self.num_classes, prefix)
        output = self.forward_batch(batch, tiles)
        target = self.target_of(batch, output.output)
        handler = LossHandler(prefix)
        # Tiles, and some models in evaluation, give the main head only.
        with_heads = self.training or output.auxiliary_heads
        aux_loss = self.settings.aux_loss if with_heads else None
        losses = handler.compute_loss(output, target, self.criterion, aux_loss)
        if not counts:
            losses = zero_losses(losses, output)
        self.checks.remember_loss(losses["loss"], batch)
        handler.log_loss(self.log, losses, batch_size=len(target))
        given = output.output.detach()
        decided = self.decide(given)
        metrics.update(decided, target)
        if tiles is None:
            self.fitted_chips.add(raw, self._trainer)
        return StepResult(losses["loss"], given, decided, target)

    @property
    def chip_size(self) -> ChipSize | None:
        """The chips that the model was trained on and chosen by, or else built for."""
        return ChipSize.known(self.fitted_chips.size, self.settings.chip_size)

    # Epochs

    def setup(self, stage: str) -> None:
        """Check that data and model speak of the same classes and bands."""
        datamodule = getattr(self.trainer, "datamodule", None)
        check_same_bands(datamodule, self.settings.model_args, stage, self.model)
        if stage != "predict":
            check_same_classes(datamodule, self.num_classes)
        self.scene_tiles.choose_anew()

    def on_fit_start(self) -> None:
        """Check that the callbacks watch their metrics in the right direction."""
        check_callbacks(self.trainer)
        self.fitted_chips.start(self.trainer)

    def on_train_start(self) -> None:
        """Choose tiles anew after the trial of a validation, which knows of no chips."""
        self.scene_tiles.choose_anew()

    def on_train_epoch_end(self) -> None:
        """Log the metrics of an epoch."""
        self._finish(self.train_metrics, "train/")

    def on_validation_start(self) -> None:
        """Check that training saw a target, before its validation may make it the best."""
        if self.trainer.is_last_batch:
            check_epoch(self.trainer, self.checks, "train/", self.settings.ignore_index)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of a validation."""
        self._finish(self.val_metrics, "val/")

    def on_test_start(self) -> None:
        """Check that there is a name for each test set; without names they are numbered."""
        count = len(self.trainer.num_test_batches)
        names = self.settings.test_dataloaders_names
        if names is None and count != len(self.test_prefixes):
            self._set_test_names(None if count == 1 else [str(index) for index in range(count)])
            self.test_metrics.to(self.device)  # type: ignore[attr-defined] # it is a module list
        elif names is not None and len(names) != count:
            raise ConfigurationError(
                f"{PATH}.test_dataloaders_names",
                f"{len(names)} names for {count} test sets",
                "Give one name for each.",
            )

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the test sets."""
        for metrics, prefix in zip(self.test_metrics, self.test_prefixes, strict=True):
            self._finish(metrics, prefix)

    def on_test_end(self) -> None:
        """Write the metrics to where the settings say."""
        path = self.settings.path_to_record_metrics
        if path is not None and self.trainer.is_global_zero:
            logged = self.trainer.callback_metrics
            values = {
                name: float(value) for name, value in logged.items() if name.startswith("test/")
            }
            logger.info("test metrics: %s", write_metrics(values, path))

    def _finish(self, metrics: MetricCollection, stage: str) -> None:
        check_epoch(self.trainer, self.checks, stage, self.settings.ignore_index)
        self.checks.finish(stage)
        self.log_dict(metrics.compute(), add_dataloader_idx=False)
        metrics.reset()

    # Plots

    def _plots_are_due(self) -> bool:
        every = int(self.settings.plot_on_val)
        trainer = self.trainer
        due = every > 0 and self.current_epoch % every == 0
        return due and not trainer.sanity_checking and trainer.is_global_zero

    def _plot(self, batch: Mapping[str, Any], decided: Tensor) -> None:
        senders = figure_senders(self.trainer.loggers)
        dataset = next(datasets_of(self.trainer.val_dataloaders), None)
        if senders and callable(getattr(dataset, "plot", None)):
            names = self.settings.class_names
            plot_samples(dataset, batch, decided, senders, self.global_step, names)

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to predict from the checkpoint alone."""
        checkpoint_format.complete(checkpoint, self)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check the format, and take over what describes the input."""
        described = checkpoint_format.description(checkpoint)
        self.input_spec = checkpoint_format.input_of(described)
        facts = None if self.input_spec is None else self.input_spec.facts
        self.fitted_facts = None if facts is None else set(facts)
        self.fitted_chips.size = checkpoint_format.size_of(described)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load weights; those of another model are an error that names the first that differ."""
        if kwargs.get("strict", args[0] if args else True):
            checkpoint_format.check_same_weights(self.state_dict(), state_dict)
        return super().load_state_dict(state_dict, *args, **kwargs)


def _constructor_arguments() -> dict[str, Any]:
    """Return the arguments of all constructors of the task that is being built, but the model."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    arguments: dict[str, Any] = {}
    for values in collect_init_args(frame.f_back, [], classes=(HyperparametersMixin,)):
        arguments.update(values)
    return {**arguments, "model": None}
