"""LightningCLI with our defaults: short names, checkpoints, the writer of predictions."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.types import LRSchedulerTypeUnion
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from terratorch.cli.callbacks.checkpoints import default_checkpoints
from terratorch.cli.callbacks.evaluation_report import default_report, say_where_reports_are
from terratorch.cli.lightning.deploy_config import StudioDeploySaveConfigCallback
from terratorch.cli.lightning.hardware import check_hardware
from terratorch.cli.lightning.run_summary import say_how_to_go_on, say_where_checkpoints_are
from terratorch.cli.lightning.schedulers import ReduceLROnPlateau as PlateauScheduler
from terratorch.cli.lightning.trainer import MyTrainer
from terratorch.cli.parsing.configuration import RUN_ARGUMENTS
from terratorch.cli.parsing.parser_messages import constructor_error, parse
from terratorch.cli.prediction.checks import check_used_by_writer, choose_devices
from terratorch.cli.prediction.parser import add_options
from terratorch.cli.prediction.sources import source_for
from terratorch.cli.prediction.trainer_run import (
    load_ensemble,
    predict_with_trainer,
    predicts_labels,
)
from terratorch.cli.prediction.writer import PredictionWriter
from terratorch.errors import ConfigurationError
from terratorch.metrics import check_monitor
from terratorch.prediction.files import find_scenes
from terratorch.prediction.options import OPTIONS, PredictionOptions, read_values

logger = logging.getLogger(__name__)


class MyLightningCLI(LightningCLI):
    """LightningCLI with the options of `terratorch`; the arguments are Lightning's.

    Attributes:
        exit_code: Of the command, once it has run.
    """

    exit_code = 0

    def setup_parser(
        self,
        add_subcommands: bool,
        main_kwargs: dict[str, Any],
        subparser_kwargs: dict[str, Any],
    ) -> None:
        """Set up the parser, and remember whether it has sub-commands."""
        self._has_subcommands = add_subcommands
        super().setup_parser(add_subcommands, main_kwargs, subparser_kwargs)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add our options; they may stand in the YAML as well."""
        add = parser.add_argument
        add_options(parser)
        add(
            "--deploy_config_file",
            type=bool,
            default=True,
            help="Write config_deploy.yaml beside the saved configuration.",
        )
        add(
            "--report",
            type=bool,
            default=True,
            help="Write report/report.html after a test, in the folder of its logger.",
        )
        add(
            "--custom_modules_path",
            type=str | None,
            help="Folder or file with modules of your own to import.",
        )
        parser.add_lr_scheduler_args((PlateauScheduler, LRScheduler))
        if not self._has_subcommands:
            # What `fit` saved holds the arguments of its method, which nothing takes here.
            for key in RUN_ARGUMENTS:
                add(f"--{key}", type=Any, default=None)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse; Lightning would warn of arguments given beside those of the process."""
        if isinstance(args, list):
            command = args[0] if args and args[0] in self.subcommands() else "fit"
            self.config = parse(parser, args, f"terratorch {command} --help_all")
        else:
            super().parse_arguments(parser, args)

    def _parse_ckpt_path(self) -> None:
        """Leave the configuration as the user wrote it.

        Lightning would overwrite the `model` of the YAML by what the checkpoint was trained with:
        changes made for testing or prediction would be lost without a word.
        """

    def before_instantiate_classes(self) -> None:
        """Check the hardware, and refuse a scheduler without the optimizer that it belongs to."""
        check_hardware(self._get(self.config, "trainer", default={}))
        if self._get(self.config, "lr_scheduler") and not self._get(self.config, "optimizer"):
            raise ConfigurationError(
                "lr_scheduler",
                "is given without optimizer, so nothing would use it",
                "Add the section optimizer, or use scheduler in model.init_args.",
            )

    def instantiate_classes(self) -> None:
        """Build what is configured; an error of a constructor surfaces unchanged."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            raise constructor_error(error) from None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with our callbacks beside those of the configuration."""
        config = self._get(self.config_init, "trainer", default={})
        given = config.get("callbacks") or []
        callbacks: list[Callback] = list(given) if isinstance(given, list) else [given]
        if self.subcommand == "fit" and config.get("enable_checkpointing") is not False:
            callbacks += default_checkpoints(callbacks, _monitor(self.model))
        if self.subcommand == "test" and self._get(self.config, "report"):
            callbacks += default_report(callbacks, self._configuration_text())
        if self.subcommand in (None, "predict"):
            self._configure_writer(callbacks)
        if self.subcommand == "predict" and config.get("logger") in (None, True):
            kwargs["logger"] = False  # a prediction logs nothing: no folder for it
        if self.subcommand == "predict":
            settings = self._options()
            devices, of_labels = config.get("devices") or "auto", predicts_labels(self.model)
            kwargs["devices"] = choose_devices(settings, devices, of_labels)
        try:
            return super().instantiate_trainer(callbacks=callbacks, **kwargs)
        except (ValueError, TypeError) as error:
            raise ConfigurationError("trainer", str(error)) from error

    def _values(self) -> dict[str, Any]:
        return {name: self._get(self.config, name) for name in OPTIONS}

    def _options(self) -> PredictionOptions:
        return PredictionOptions.read(self._values())

    def _configure_writer(self, callbacks: list[Callback]) -> None:
        """Hand the options to the writers; add one where there is none."""
        found = [callback for callback in callbacks if isinstance(callback, BasePredictionWriter)]
        writers = [callback for callback in found if isinstance(callback, PredictionWriter)]
        options = read_values(self._values())
        if not found:
            writers = [PredictionWriter()]
            callbacks += writers if self.subcommand == "predict" else []
        elif not writers and self.subcommand == "predict":
            check_used_by_writer(options, type(found[0]).__name__)
        for writer in writers:
            writer.configure(options)
        self._writers = writers

    def _add_configure_optimizers_method_to_model(self, subcommand: str | None) -> None:
        """Let the optimizer of the configuration win over that of the task, and say so."""
        given = self._get(self.config_init, "optimizer")
        own = getattr(self.model, "hparams", {}).get("optimizer")
        if given and own:
            logger.warning(
                "The section `optimizer` is used, and not model.init_args.optimizer (%s).",
                own,
            )
        with warnings.catch_warnings():
            # It would say the same of every task, optimizer or not.
            warnings.filterwarnings("ignore", ".*will be overridden by.*")
            super()._add_configure_optimizers_method_to_model(subcommand)

    @staticmethod
    def configure_optimizers(
        lightning_module: LightningModule,
        optimizer: Optimizer,
        lr_scheduler: LRSchedulerTypeUnion | None = None,
    ) -> Any:
        """Join optimizer and scheduler; one that needs a metric watches its own, or the task's."""
        if isinstance(lr_scheduler, ReduceLROnPlateau):
            monitor = getattr(lr_scheduler, "monitor", None) or _monitor(lightning_module)
            check_monitor(monitor, lr_scheduler.mode, "lr_scheduler.init_args")
            scheduler = {"scheduler": lr_scheduler, "monitor": monitor}
            return {"optimizer": optimizer, "lr_scheduler": scheduler}
        return LightningCLI.configure_optimizers(lightning_module, optimizer, lr_scheduler)

    def fit(self, **kwargs: Any) -> None:
        """Train, and say where the checkpoints are, also after Ctrl-C."""
        try:
            self.trainer.fit(**kwargs)
        except SystemExit as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # Lightning exits on Ctrl-C
                say_how_to_go_on(self.trainer)
            raise
        say_where_checkpoints_are(self.trainer)

    def test(self, **kwargs: Any) -> None:
        """Test, and say where the report is, after the table of the metrics."""
        self.trainer.test(**kwargs)
        say_where_reports_are(self.trainer)

    def _configuration_text(self) -> str:
        """Return the configuration of the run as YAML, without what is not set."""
        assert self.subcommand is not None
        return str(self._parser(self.subcommand).dump(self.config[self.subcommand]))

    def predict(self, **kwargs: Any) -> None:
        """Predict the images of the data module, or the files of `--predict_data`."""
        paths = self._get(self.config, "predict_data")
        folders = self._get(self.config, "scene_folders")
        scenes = find_scenes(paths, folders) if paths or folders else None
        model, datamodule = kwargs.pop("model"), kwargs.pop("datamodule", None)
        del kwargs["return_predictions"]
        for writer in self._writers:
            writer.checkpoint = kwargs.get("ckpt_path")
        kwargs["ckpt_path"] = load_ensemble(model, self._options(), kwargs.get("ckpt_path"))
        source = datamodule if scenes is None else source_for(datamodule, scenes)
        predict_with_trainer(self.trainer, model, source, datamodule, **kwargs)
        for writer in self._writers:
            self.exit_code = max(self.exit_code, writer.print_report())


def _monitor(model: LightningModule) -> str:
    """The metric by which a model wants to be judged."""
    return getattr(model, "monitor", None) or "val/loss"


def _with_one_command(command: str) -> type[MyLightningCLI]:
    """Return the class with the parser of one sub-command: to set up all four takes 0.2 s."""

    class OneCommandCLI(MyLightningCLI):
        @staticmethod
        def subcommands() -> dict[str, set[str]]:
            return {command: MyLightningCLI.subcommands()[command]}

    return OneCommandCLI


def build_lightning_cli(args: ArgsType = None, run: bool = True) -> MyLightningCLI:
    """Parse a configuration, build what it names, and run the sub-command.

    Args:
        args: Arguments as a list of strings, or a configuration as a dictionary; by default the
            arguments of the process.
        run: Whether there is a sub-command to run. Without, the parts are only built.
    """
    quiet: dict[str, Any] = {"exit_on_error": False, "allow_abbrev": False}
    cli = MyLightningCLI
    if isinstance(args, list) and args and args[0] in cli.subcommands():
        cli = _with_one_command(args[0])
    return cli(
        model_class=LightningModule,
        datamodule_class=LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        save_config_callback=StudioDeploySaveConfigCallback,
        save_config_kwargs={"overwrite": True},
        trainer_class=MyTrainer,
        seed_everything_default=True,
        parser_kwargs={
            "prog": "terratorch",
            **quiet,
            **{name: dict(quiet) for name in cli.subcommands()},
        },
        args=args,
        run=run,
        # The task saves its own arguments, the same whether it was built here or in Python.
        load_from_checkpoint_support=False,
    )
