"""LightningCLI with our defaults: short names, checkpoints, the writer of predictions."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.types import LRSchedulerTypeUnion
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from terratorch.cli.callbacks.checkpoints import default_checkpoints
from terratorch.cli.lightning.deploy_config import StudioDeploySaveConfigCallback
from terratorch.cli.lightning.hardware import check_hardware
from terratorch.cli.lightning.run_summary import print_checkpoints, print_how_to_resume
from terratorch.cli.lightning.schedulers import ReduceLROnPlateau as PlateauScheduler
from terratorch.cli.lightning.trainer import MyTrainer
from terratorch.cli.parsing.configuration import RUN_ARGUMENTS
from terratorch.cli.parsing.parser_messages import constructor_error, parse
from terratorch.cli.prediction.parser import add_options
from terratorch.errors import ConfigurationError
from terratorch.metrics import check_monitor
from terratorch.prediction.options import OPTIONS, PredictionOptions, read_values

logger = logging.getLogger(__name__)

_QUIET = {"exit_on_error": False, "allow_abbrev": False}


class MyLightningCLI(LightningCLI):
    """LightningCLI with the options of `terratorch`; the arguments are Lightning's.

    Attributes:
        exit_code: The exit code of the command.
        only_command: The only sub-command that the parser has, or None. Lightning's parser has all
            four, which take 0.3 s to set up, and parses all arguments twice.
    """

    exit_code = 0
    only_command: str | None = None

    @property
    def _command(self) -> str | None:
        return self.only_command or self.subcommand

    def setup_parser(
        self,
        add_subcommands: bool,
        main_kwargs: dict[str, Any],
        subparser_kwargs: dict[str, Any],
    ) -> None:
        """Set up the parser, with the sub-commands if there are any."""
        self._takes_run_arguments = add_subcommands or self.only_command is not None
        if self.only_command is None:
            super().setup_parser(add_subcommands, main_kwargs, subparser_kwargs)
            return
        self._subcommand_method_arguments: dict[str, list[str]] = {}
        self.parser = self._prepare_subcommand_parser(MyTrainer, self.only_command, **main_kwargs)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add our options, which a configuration may hold as well."""
        add = parser.add_argument
        add_options(parser)
        add(
            "--deploy_config_file",
            type=bool,
            default=True,
            help="Write config_deploy.yaml next to the saved configuration.",
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
            help="Folder or file with your modules to import.",
        )
        parser.add_lr_scheduler_args((PlateauScheduler, LRScheduler))
        if not self._takes_run_arguments:
            # A configuration that `fit` saved holds arguments of the method.
            for key in RUN_ARGUMENTS:
                add(f"--{key}", type=Any, default=None)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, without Lightning's warning about arguments in addition to the process's."""
        if isinstance(args, list):
            self.config = parse(parser, args, f"terratorch {self.only_command or 'fit'} --help_all")
        else:
            super().parse_arguments(parser, args)

    def _parse_ckpt_path(self) -> None:
        """Keep the configuration as the user wrote it.

        Lightning would replace the `model` of the YAML by that of the checkpoint, so that changes
        for a test or a prediction would be lost without a warning.
        """

    def before_instantiate_classes(self) -> None:
        """Check the hardware, and that a scheduler has an optimizer."""
        check_hardware(self._get(self.config, "trainer", default={}))
        if self._get(self.config, "lr_scheduler") and not self._get(self.config, "optimizer"):
            raise ConfigurationError(
                "lr_scheduler",
                "is given without optimizer, so it would not be used",
                "Add the section optimizer, or use scheduler in model.init_args.",
            )

    def instantiate_classes(self) -> None:
        """Build what is configured; an error of a constructor is raised unchanged."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            raise constructor_error(error) from None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with our callbacks in addition to those of the configuration."""
        config = self._get(self.config_init, "trainer", default={})
        configured = config.get("callbacks") or []
        callbacks: list[Callback] = (
            list(configured) if isinstance(configured, list) else [configured]
        )
        if self._command == "fit" and config.get("enable_checkpointing") is not False:
            callbacks += default_checkpoints(callbacks, _monitor(self.model))
        if self._command == "test" and self._get(self.config, "report"):
            from terratorch.cli.callbacks.evaluation_report import default_report

            callbacks += default_report(callbacks, self._configuration_text())
        if self._command in (None, "predict"):
            self._configure_writer(callbacks)
        if self._command == "predict":
            from terratorch.cli.prediction.checks import choose_devices
            from terratorch.cli.prediction.trainer_run import predicts_labels

            if config.get("logger") in (None, True):
                kwargs["logger"] = False  # a prediction logs nothing: no folder for it
            devices, of_labels = config.get("devices") or "auto", predicts_labels(self.model)
            kwargs["devices"] = choose_devices(self._options(), devices, of_labels)
        try:
            return super().instantiate_trainer(callbacks=callbacks, **kwargs)
        except (ValueError, TypeError) as error:
            raise ConfigurationError("trainer", str(error)) from error

    def _values(self) -> dict[str, Any]:
        return {name: self._get(self.config, name) for name in OPTIONS}

    def _options(self) -> PredictionOptions:
        return PredictionOptions.read(self._values())

    def _configure_writer(self, callbacks: list[Callback]) -> None:
        """Pass the options to the writers; add a writer to a prediction without one."""
        from terratorch.cli.prediction.checks import check_used_by_writer
        from terratorch.cli.prediction.writer import PredictionWriter

        all_writers = [item for item in callbacks if isinstance(item, BasePredictionWriter)]
        writers = [writer for writer in all_writers if isinstance(writer, PredictionWriter)]
        options = read_values(self._values())
        if not all_writers:
            writers = [PredictionWriter()]
            callbacks += writers if self._command == "predict" else []
        elif not writers and self._command == "predict":
            check_used_by_writer(options, type(all_writers[0]).__name__)
        for writer in writers:
            writer.configure(options)
        self._writers = writers

    def _add_configure_optimizers_method_to_model(self, subcommand: str | None) -> None:
        """Warn if the optimizer of the configuration overrides that of the task."""
        name = getattr(self.model, "hparams", {}).get("optimizer")
        if name and self._get(self.config_init, "optimizer"):
            logger.warning(
                "The section `optimizer` is used, and not model.init_args.optimizer (%s).", name
            )
        with warnings.catch_warnings():
            # It is the same for every task, with an optimizer or without.
            warnings.filterwarnings("ignore", ".*will be overridden by.*")
            super()._add_configure_optimizers_method_to_model(subcommand)

    @staticmethod
    def configure_optimizers(
        lightning_module: LightningModule,
        optimizer: Optimizer,
        lr_scheduler: LRSchedulerTypeUnion | None = None,
    ) -> Any:
        """Join optimizer and scheduler; a scheduler without a metric watches that of the task."""
        if isinstance(lr_scheduler, ReduceLROnPlateau):
            monitor = getattr(lr_scheduler, "monitor", None) or _monitor(lightning_module)
            check_monitor(monitor, lr_scheduler.mode, "lr_scheduler.init_args")
            scheduler = {"scheduler": lr_scheduler, "monitor": monitor}
            return {"optimizer": optimizer, "lr_scheduler": scheduler}
        return LightningCLI.configure_optimizers(lightning_module, optimizer, lr_scheduler)

    def fit(self, **kwargs: Any) -> None:
        """Train, and print the paths of the checkpoints, also after Ctrl-C."""
        try:
            self.trainer.fit(**kwargs)
        except SystemExit as error:
            if isinstance(error.__context__, KeyboardInterrupt):  # Lightning exits on Ctrl-C
                print_how_to_resume(self.trainer)
            raise
        print_checkpoints(self.trainer)

    def test(self, **kwargs: Any) -> None:
        """Test, and print the path of the report after the table of the metrics."""
        from terratorch.cli.callbacks.evaluation_report import say_where_reports_are

        self.trainer.test(**kwargs)
        say_where_reports_are(self.trainer)

    def _configuration_text(self) -> str:
        """Return the configuration of the run as YAML, without unset values."""
        config = self.config.get(str(self.subcommand), self.config)
        return str(self._parser(self.subcommand).dump(config))

    def predict(self, **kwargs: Any) -> None:
        """Predict the images of the data module, or the files of `--predict_data`."""
        from terratorch.cli.prediction.sources import source_for
        from terratorch.cli.prediction.trainer_run import load_ensemble, predict_with_trainer
        from terratorch.prediction.files import find_scenes

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

    def run_only_command(self) -> None:
        """Run the only sub-command of the parser, with attributes as Lightning sets them."""
        command = self.only_command
        assert command is not None
        self.subcommand = command
        self.config, self.config_init = (
            Namespace(subcommand=command, **{command: config})
            for config in (self.config, self.config_init)
        )
        self._subcommand_parsers = {command: self.parser}
        self._run_subcommand(command)


def _monitor(model: LightningModule) -> str:
    """Return the metric that decides which checkpoint of a model is the best."""
    return getattr(model, "monitor", None) or "val/loss"


def build_lightning_cli(args: ArgsType = None, run: bool = True) -> MyLightningCLI:
    """Parse a configuration, build what it names, and run the sub-command.

    Args:
        args: Arguments as a list of strings, or a configuration as a dictionary; by default the
            arguments of the process.
        run: Whether to run a sub-command, or build the parts only.
    """
    if args is None and run:
        args = sys.argv[1:]
    commands = MyLightningCLI.subcommands()
    cli_class: type[MyLightningCLI] = MyLightningCLI
    program = "terratorch"
    if run and isinstance(args, list) and args and args[0] in commands:
        command, *args = args
        cli_class = type("OneCommandCLI", (MyLightningCLI,), {"only_command": command})
        run, program = False, f"terratorch {command}"
    cli = cli_class(
        model_class=LightningModule,
        datamodule_class=LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        save_config_callback=StudioDeploySaveConfigCallback,
        save_config_kwargs={"overwrite": True, "save_to_log_dir": False},
        trainer_class=MyTrainer,
        seed_everything_default=True,
        parser_kwargs={
            "prog": program,
            **_QUIET,
            **({name: dict(_QUIET) for name in commands} if run else {}),
        },
        args=args,
        run=run,
        # The task saves its arguments, the same whether it was built here or in Python.
        load_from_checkpoint_support=False,
    )
    if cli.only_command is not None:
        cli.run_only_command()
    return cli
