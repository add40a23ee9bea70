"""Read the user's configuration files before anything heavy is imported.

This finds mistakes that the parser would report late or badly: a missing file, invalid YAML, a
missing or misspelt section.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terratorch.errors import ArgumentNameError, ConfigurationError, MissingFileError, did_you_mean
from terratorch.prediction.options import OPTIONS

# Arguments of the Trainer's methods; each method has some of them.
RUN_ARGUMENTS = ("ckpt_path", "weights_only", "verbose", "return_predictions")
# The top level of a configuration for all sub-commands: `predict` reads what `fit` saved.
SECTIONS = (
    "seed_everything",
    "trainer",
    "model",
    "data",
    "optimizer",
    "lr_scheduler",
    *RUN_ARGUMENTS,
)
OWN_OPTIONS = (
    "predict_data",
    *OPTIONS,
    "deploy_config_file",
    "report",
    "custom_modules_path",
)


@dataclass(frozen=True)
class Configuration:
    """One or several configuration files; later ones override earlier ones.

    Attributes:
        files: The files, in order.
        content: The merged content.
    """

    files: tuple[Path, ...]
    content: dict[str, Any]

    @property
    def name(self) -> str:
        """The files, as messages name them."""
        return ", ".join(map(str, self.files)) or "the command line"


def read_configuration(paths: Sequence[str]) -> Configuration:
    """Read and merge configuration files.

    Raises:
        MissingFileError: If a file does not exist.
        ConfigurationError: If it is not YAML, or not a mapping of sections.
        ArgumentNameError: If a section is unknown.
    """
    content: dict[str, Any] = {}
    for path in paths:
        document = _read(Path(path))
        _check_sections(document, path)
        content = _merged(content, document)
    return Configuration(tuple(map(Path, paths)), content)


def _read(path: Path) -> dict[str, Any]:
    import yaml

    if not path.is_file():
        files = [str(file) for file in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise MissingFileError(
            f"configuration '{path}'",
            "is a folder" if path.is_dir() else "does not exist",
            did_you_mean(str(path), files),
        )
    try:
        # The parser reads the values later; this is for the structure.
        document = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError(*_syntax(path, error)) from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"configuration '{path}'", f"is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(
            f"configuration '{path}'",
            "is empty" if document is None else f"is a {type(document).__name__}, not sections",
            "It needs the sections trainer, model and data.",
        )
    return document


def _syntax(path: Path, error: Any) -> tuple[str, str, str]:
    mark = error.problem_mark or error.context_mark
    where, shown = f"configuration '{path}'", ""
    if mark is not None:
        lines = path.read_text(errors="replace").splitlines()
        line = lines[mark.line] if mark.line < len(lines) else ""
        where = f"configuration '{path}', line {mark.line + 1}, column {mark.column + 1}"
        shown = f"\n  {line}\n  {' ' * mark.column}^\n"
    return where, f"{error.problem or error.context}", f"{shown}Fix the YAML there."


def _check_sections(document: dict[str, Any], path: str) -> None:
    known = (*SECTIONS, *OWN_OPTIONS)
    for key in document:
        if key not in known:
            raise ArgumentNameError(
                f"'{key}' in {path}",
                "is not a section of a configuration",
                did_you_mean(str(key), known) or f"The sections are: {', '.join(known)}.",
            )


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        before = result.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and _same_class(before, value):
            result[key] = _merged(before, value)
        else:
            result[key] = value
    return result


def _same_class(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether both name one class; another class starts from its own defaults."""
    if "class_path" not in before or "class_path" not in after:
        return True
    return bool(before["class_path"] == after["class_path"])


def require_sections(
    configuration: Configuration, arguments: Sequence[str], sections: Iterable[str], command: str
) -> None:
    """Raise an error if a section is missing both in the files and on the command line.

    Args:
        configuration: The files.
        arguments: The arguments of the sub-command, such as `--model NAME`.
        sections: The sections that the command needs.
        command: The sub-command, for the message.

    Raises:
        ConfigurationError: If a section is missing.
    """
    options = {argument.lstrip("-").partition("=")[0].partition(".")[0] for argument in arguments}
    missing = [
        name for name in sections if not configuration.content.get(name) and name not in options
    ]
    if not missing:
        return
    if not configuration.files:
        raise ConfigurationError(
            f"terratorch {command}",
            "the configuration is missing",
            f"Give one: terratorch {command} -c config.yaml (an example: `terratorch demo DIR`)",
        )
    raise ConfigurationError(
        f"section '{missing[0]}' of {configuration.name}",
        "is missing",
        f"Add it:\n{_SECTION_EXAMPLES[missing[0]]}",
    )


_SECTION_EXAMPLES = {
    "model": (
        "model:\n"
        "  class_path: SemanticSegmentationTask\n"
        "  init_args:\n"
        "    model_factory: EncoderDecoderFactory\n"
        "    model_args: {backbone: ..., decoder: ..., num_classes: ...}"
    ),
    "data": (
        "data:\n"
        "  class_path: GenericNonGeoSegmentationDataModule\n"
        "  init_args: {batch_size: ..., num_workers: ..., num_classes: ..., train_data_root: ...}"
    ),
}
