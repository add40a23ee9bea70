"""`terratorch fit`, `validate` and `test`: check a configuration, and run the trainer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from terratorch.cli.commands.help_texts import stage_help, write_help
from terratorch.cli.parsing.configuration import Configuration, read_configuration, require_sections
from terratorch.cli.terminal.arguments import (
    CONFIG_OPTIONS,
    option_value,
    option_values,
    wants_help,
)
from terratorch.cli.terminal.logs import show_lightning_messages
from terratorch.cli.terminal.output_folder import check_output_dir
from terratorch.cli.terminal.user_code import load_user_code
from terratorch.errors import ConfigurationError, MissingFileError, WeightsError, did_you_mean
from terratorch.ops.torch_files import is_of_torch
from terratorch.prediction.options import OPTIONS, read_text

_FULL_HELP = "--help_all"
_TRAINER = "trainer."


def fit(arguments: Sequence[str]) -> int:
    """Train, and validate."""
    return run_stage("fit", arguments)


def validate(arguments: Sequence[str]) -> int:
    """Compute the metrics of the validation data."""
    return run_stage("validate", arguments)


def test(arguments: Sequence[str]) -> int:
    """Compute the metrics of the test data."""
    return run_stage("test", arguments)


def run_stage(command: str, arguments: Sequence[str]) -> int:
    """Check the configuration, then run Lightning.

    Args:
        command: The sub-command of Lightning.
        arguments: Its arguments.

    Returns:
        The exit code.
    """
    if wants_help(arguments):
        return write_help(stage_help(command))
    if _FULL_HELP in arguments:
        return run_prepared(command, ["--help"])
    configuration = prepare(command, arguments)
    _refuse_prediction_options(command, configuration, arguments)
    if command == "fit":
        _check_root_dir(configuration, arguments)
    return run_prepared(command, arguments)


def run_prepared(command: str, arguments: Sequence[str]) -> int:
    """Run Lightning after the checks."""
    from terratorch.cli.lightning.lightning_cli import build_lightning_cli

    show_lightning_messages()
    return build_lightning_cli([command, *arguments]).exit_code


def prepare(
    command: str, arguments: Sequence[str], sections: Sequence[str] = ("model", "data")
) -> Configuration:
    """Read the configuration, import the classes that it names, and check them.

    Args:
        command: The sub-command, for messages.
        arguments: Its arguments.
        sections: The sections that it needs.

    Raises:
        TerraTorchError: For a mistake that is visible before anything is built.
    """
    configuration = read_checked(command, arguments, sections)
    import_named(configuration, arguments)
    return configuration


def read_checked(
    command: str, arguments: Sequence[str], sections: Sequence[str] = ("model", "data")
) -> Configuration:
    """Read the configuration, and check what can be checked before anything is imported.

    Args:
        command: The sub-command, for messages.
        arguments: Its arguments.
        sections: The sections that it needs.

    Raises:
        TerraTorchError: If a file or a section is missing or invalid.
    """
    configuration = read_configuration(option_values(arguments, *CONFIG_OPTIONS))
    if not any(argument.partition("=")[0].endswith(".help") for argument in arguments):
        require_sections(configuration, arguments, sections, command)
    checkpoint = setting("ckpt_path", configuration, arguments)
    if checkpoint is not None:
        check_checkpoint(checkpoint)
    return configuration


def import_named(configuration: Configuration, arguments: Sequence[str]) -> None:
    """Import the user's modules and the classes that a configuration names.

    Args:
        configuration: The configuration.
        arguments: The arguments, which may name classes as well.

    Raises:
        TerraTorchError: If a class does not exist, or does not take an argument.
    """
    load_user_code(setting("custom_modules_path", configuration, arguments))
    from terratorch.cli.parsing.class_names import import_named_classes

    import_named_classes(configuration, arguments)


def _refuse_prediction_options(
    command: str, configuration: Configuration, arguments: Sequence[str]
) -> None:
    """Raise an error for options of a prediction.

    A configuration may hold those of a later prediction, but not `batch_size`, which is easily
    taken for that of the data.
    """
    names = {argument.partition("=")[0] for argument in arguments}
    for option in OPTIONS:
        is_batch_size = option == "batch_size"
        in_file = configuration.content.get(option) is not None
        if f"--{option}" in names or (is_batch_size and in_file):
            raise ConfigurationError(
                option,
                f"is an option of terratorch predict, not of {command}",
                "Did you mean data.init_args.batch_size?" if is_batch_size else "Omit it.",
            )


def _check_root_dir(configuration: Configuration, arguments: Sequence[str]) -> None:
    """Raise an error if the output folder of a training cannot be written to."""
    path = trainer_setting("default_root_dir", configuration, arguments)
    if isinstance(path, str) and "://" not in path:
        check_output_dir(path, f"{_TRAINER}default_root_dir")


def setting(name: str, configuration: Configuration, arguments: Sequence[str]) -> str | None:
    """Return a setting of the command line, else of the configuration.

    Raises:
        ConfigurationError: If it is not text.
    """
    value = option_value(arguments, f"--{name}") or configuration.content.get(name)
    return None if value is None else read_text(name, value)


def trainer_setting(name: str, configuration: Configuration, arguments: Sequence[str]) -> Any:
    """Return a setting of the Trainer of the command line, else of the configuration."""
    section = configuration.content.get("trainer")
    in_file = section.get(name) if isinstance(section, dict) else None
    return option_value(arguments, f"--{_TRAINER}{name}") or in_file


_LIGHTNING_WORDS = ("best", "last", "hpc", "registry")


def check_checkpoint(path: str) -> None:
    """Raise an error unless a checkpoint exists and is a file of torch.

    Raises:
        MissingFileError: If the file does not exist.
        WeightsError: If it is not a file of torch.
    """
    if path in _LIGHTNING_WORDS or "://" in path:
        return
    if Path(path).is_file() and not is_of_torch(Path(path)):
        raise WeightsError(
            f"ckpt_path '{path}'",
            "it is not a checkpoint",
            "Give a .ckpt file: `terratorch fit` prints the paths of its checkpoints.",
        )
    if Path(path).exists():
        return
    folder = Path(path).parent
    near = [str(file) for file in folder.glob("*.ckpt")] if folder.is_dir() else []
    advice = did_you_mean(path, near) or "`terratorch fit` prints the paths of its checkpoints."
    raise MissingFileError(f"ckpt_path '{path}'", "does not exist", advice)
