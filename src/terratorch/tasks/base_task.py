"""The life cycle that all tasks share: settings, model, optimizer, steps, checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torchmetrics import MetricCollection

from terratorch.contracts.model_description import description_of
from terratorch.contracts.prediction import Prediction
from terratorch.errors import ConfigurationError
from terratorch.tasks import arguments, checkpoint_format, figures, predicting
from terratorch.tasks.batch_checks import BatchChecks, batch_size_of, filenames_of
from terratorch.tasks.hyperparameters import RecordedArguments
from terratorch.tasks.loss_handler import log_losses
from terratorch.tasks.model_building import build_model, check_given_model, freeze_parts
from terratorch.tasks.objectives.objective import Objective
from terratorch.tasks.optimizer_factory import build_optimizer
from terratorch.tasks.plain_values import holds_module
from terratorch.tasks.prediction_checks import check_scale
from terratorch.tasks.settings import TaskSettings
from terratorch.tasks.stages import StagedModule
from terratorch.tasks.step_result import Batch, Returned, StepResult, largest_chip
from terratorch.tasks.whole_scenes import SceneTiles
from terratorch.tiles.ensemble import Ensemble
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.tiling import ChipSize


class TerraTorchTask(RecordedArguments, StagedModule):
    """The base of all tasks: the life cycle around a model and an objective.

    A task names its `objective_class`, or overrides `build_objective`. Its constructor only
    declares arguments: those of all its constructors are hyperparameters, and set `settings`.

    Attributes:
        custom_hooks: The hooks of prediction that a subclass overrides, see `predicting.HOOKS`.
        ensemble: Joins the predictions of several views or models; None for one prediction.
    """

    monitor = "val/loss"
    objective_class: ClassVar[type[Objective] | None] = None
    custom_hooks: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.custom_hooks = predicting.overridden_hooks(cls, TerraTorchTask)

    def __init__(
        self,
        task: arguments.TaskName = None,
        tiled_inference_on_testing: arguments.TileTests = False,
        tiled_inference_on_validation: arguments.TileValidation = False,
        plot_on_val: arguments.PlotOnVal = False,
        path_to_record_metrics: arguments.MetricsPath = None,
        model: arguments.BuiltModel = None,
    ) -> None:
        super().__init__()
        values = self.used_arguments()
        self.settings = TaskSettings.from_arguments(values)
        built: nn.Module | None = values["model"]
        check_given_model(built, self.settings.model)
        self.keep_hyperparameters(task=self.objective_class and self.objective_class.task)
        self.objective = self.build_objective()
        self.checks = BatchChecks()
        self.ensemble: Ensemble | None = None
        self.scene_tiles = SceneTiles(self.settings.tiles, not self.objective.output_type.per_image)
        self.input_spec = self.fitted_facts = self.fitted_chip = None
        # Whether the arguments alone, as a checkpoint keeps them, build the model again.
        self.model_by_name = built is None and not holds_module(self.settings.model.arguments)
        if built is not None:
            self.model = built
        self.configure_models()
        self.configure_losses()
        self.configure_metrics()

    # Set-up

    def build_objective(self) -> Objective:
        """Return what is learned; `settings` and `hparams` are set by now."""
        if self.objective_class is None:
            raise ConfigurationError(
                type(self).__name__, "it names no objective", "Set objective_class in the class."
            )
        return self.objective_class(self.settings)

    def configure_models(self) -> None:
        """Build the model unless it was passed, and freeze the parts that are not trained."""
        if not isinstance(getattr(self, "model", None), nn.Module):
            task = self.hparams.get("task", self.objective.task)
            self.model = build_model(task, self.settings.model)
        freeze_parts(self.model, self.settings.freezing)

    def configure_losses(self) -> None:
        """Build the loss."""
        self.criterion = self.objective.build_criterion()

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimizer and scheduler of the settings."""
        return build_optimizer(self.named_parameters(), self.settings.optimizer, self.monitor)

    @property
    def chip_size(self) -> ChipSize | None:
        """The size of the chips that the model was trained on, or else built for."""
        return ChipSize.known(self.fitted_chip, description_of(self.model))

    # Steps

    def forward(self, *args: object, **kwargs: object) -> Returned:
        """Return the output of the model, a tensor as `ModelOutput`."""
        return predicting.as_output(self.model(*args, **kwargs))

    def training_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Tensor:
        """Return the loss of a batch."""
        return self._step(batch, "train/", self.train_metrics).loss

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log the loss and count the metrics of a batch, and plot the first samples."""
        tiles = self.scene_tiles.validation(batch["image"], self.chip_size)
        result = self._step(batch, "val/", self.val_metrics, tiles)
        if batch_idx == 0 and dataloader_idx == 0:
            every, names = self.settings.reports.plot_every, self.settings.classes.names
            figures.plot_validation(self.trainer, batch, result.decided, every, names)

    def test_step(  # type: ignore[override] # callbacks receive whatever it returns
        self, batch: Batch, batch_idx: int, dataloader_idx: int = 0
    ) -> StepResult:
        """Log the loss and count the metrics of a batch of a test set, and return its result."""
        tiles = self.scene_tiles.testing(batch["image"], self.chip_size)
        prefix, metrics = self.test_prefixes[dataloader_idx], self.test_metrics[dataloader_idx]
        return self._step(batch, prefix, metrics, tiles)

    def _step(
        self,
        batch: Batch,
        prefix: str,
        metrics: MetricCollection,
        tiles: TiledInferenceParameters | None = None,
    ) -> StepResult:
        objective = self.objective
        targets = objective.read_targets(batch)
        counts = self.checks.check(batch, targets, prefix)
        images, facts = self.read_inputs(batch)
        if self.training:
            facts |= objective.model_inputs(batch)
        output = predicting.forward_batch(self, objective, images, facts, tiles)
        result = objective.learn(output, batch, self.criterion, counts)
        if result.losses:
            self.checks.remember_loss(result.loss, batch)
            log_losses(self.log, prefix, result.losses, batch_size_of(batch))
        if result.decided is not None:
            metrics.update(result.decided, result.target)
        if tiles is None and self._trainer and self.trainer.state.fn is TrainerFn.FITTING:
            self.fitted_chip = largest_chip(targets, self.fitted_chip)
        return result

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Prediction:
        """Return the prediction of a batch."""
        datamodule = getattr(self._trainer, "datamodule", None)
        check_scale(batch, getattr(datamodule, "input_spec", None), owner=self)
        count = batch_size_of(batch)
        names = filenames_of(batch) or [f"image_{batch_idx}_{index}" for index in range(count)]
        images, facts = self.read_inputs(batch)
        forward, tiles = predicting.joined(self, self.ensemble), self.settings.tiles.parameters
        output = predicting.forward_batch(forward, self.objective, images, facts, tiles)
        # In half precision probabilities would not sum to one, and files cannot hold bfloat16.
        scores, valid = self.objective.scores(output).float(), batch.get("valid")
        return predicting.prediction_of(self.objective, scores, names, valid, self.ensemble)

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to predict from the checkpoint alone."""
        spec = getattr(getattr(self.trainer, "datamodule", None), "input_spec", None)
        checkpoint_format.complete(
            checkpoint,
            task=type(self),
            settings=self.settings,
            input_spec=spec.with_facts(self.fitted_facts) if spec else self.input_spec,
            chip_size=self.fitted_chip,
            model_by_name=self.model_by_name,
        )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check the format, and keep what describes the input."""
        self.restore_inputs(*checkpoint_format.inputs_of(checkpoint_format.description(checkpoint)))

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load weights; those of another model are an error that names the first difference."""
        if kwargs.get("strict", args[0] if args else True):
            checkpoint_format.check_same_weights(self.state_dict(), state_dict)
        return super().load_state_dict(state_dict, *args, **kwargs)
