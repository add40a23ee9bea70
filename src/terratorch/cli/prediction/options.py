"""What is to be predicted and where maps go: checked before anything heavy is imported."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from terratorch.errors import ConfigurationError, DataError, MissingFileError
from terratorch.geo.remote import is_virtual, parse_path

_FURTHER = "--further_ckpt_paths"


def check_data(paths: Sequence[str] | None, scene_folders: bool = False) -> list[Path]:
    """Return the files to predict: those that are named, or match, and those in named folders.

    Args:
        paths: What is given.
        scene_folders: Whether each folder is one scene: then folders are returned, or those in
            folders that hold nothing else.

    Raises:
        ConfigurationError: If none are named, or two would be written to the same map.
        MissingFileError: If one is not there.
        DataError: If a folder holds none.
    """
    from terratorch.datasets.files import find_files

    if not paths:
        raise ConfigurationError(
            "predict_data",
            "is missing",
            "Name files, folders or patterns: --predict_data FILE_OR_DIR; or give a configuration "
            "with data.init_args.predict_data_root.",
        )
    files: list[Path] = []
    for path in (found for given in paths for found in _expanded(given, scene_folders)):
        if path.is_dir() and scene_folders:
            files += _scene_folders(path)
        elif path.is_dir() and _holds_folders_alone(path):
            raise DataError(
                f"predict_data '{path}'",
                "it holds nothing but folders",
                "Give a pattern such as '*/*.tif'; where each folder is one scene in several "
                "files, add --scene_folders.",
            )
        elif path.is_dir():
            files += [found.path for found in find_files(path, None, "predict_data")]
        elif is_virtual(path) or path.exists():
            files.append(path)
        else:
            raise MissingFileError(
                f"predict_data '{path}'", "does not exist", "Check the spelling of the path."
            )
    files = list(dict.fromkeys(files))  # patterns may overlap
    _refuse_same_names(files)
    return files


def first_checkpoint_apart(arguments: Sequence[str]) -> list[str]:
    """Return arguments where `--ckpt_path A B C` reads `--ckpt_path A --further_ckpt_paths B C`.

    The option of Lightning, and the key in a configuration, hold one.

    Raises:
        ConfigurationError: If there are further ones in both places.
    """
    changed: list[str] = []
    for index, argument in enumerate(arguments):
        option, first = arguments[max(index - 2, 0)], arguments[max(index - 1, 0)]
        if option == "--ckpt_path" and not first.startswith("-") and not argument.startswith("-"):
            if _FURTHER in arguments:
                raise ConfigurationError(
                    _FURTHER, "given beside several values of --ckpt_path", "Give all in one place."
                )
            changed.append(_FURTHER)
        changed.append(argument)
    return changed


def bounds_in_one(arguments: Sequence[str]) -> list[str]:
    """Return arguments where `--area -9,38,-8,39` reads `--area=-9,38,-8,39`.

    A parser would take a value that begins with a minus for an option.
    """
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--area" and argument[:1] == "-" and "," in argument:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _scene_folders(folder: Path) -> list[Path]:
    """Return a folder with files, or the folders in one that holds nothing else."""
    return _seen(folder) if _holds_folders_alone(folder) else [folder]


def _holds_folders_alone(folder: Path) -> bool:
    entries = _seen(folder)
    return bool(entries) and all(path.is_dir() for path in entries)


def _seen(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _expanded(given: str, folders: bool) -> Iterator[Path]:
    """Yield the files, or folders, that a pattern matches; anything else as it is."""
    if is_virtual(given):
        yield parse_path(given)
        return
    if Path(given).exists() or not glob.has_magic(given):
        yield Path(given)
        return
    matched = sorted(
        path
        for path in map(Path, glob.iglob(given, recursive=True))
        if (path.is_dir() if folders else path.is_file())
    )
    if not matched:
        kind = "folder" if folders else "file"
        raise MissingFileError(
            f"predict_data '{given}'", f"no {kind} matches this pattern", "Check its spelling."
        )
    yield from matched


def _refuse_same_names(files: list[Path]) -> None:
    by_stem: dict[str, Path] = {}
    for file in files:
        other = by_stem.setdefault(file.name if file.is_dir() else file.stem, file)
        if other is not file:
            raise ConfigurationError(
                f"predict_data '{file}'",
                f"its map would have the name of that of '{other}'",
                "Predict them in separate runs, with an output folder each.",
            )


def check_output_dir(path: str, option: str = "predict_output_dir") -> None:
    """Refuse a folder that cannot be written to; one that is not there yet is made later.

    Args:
        path: The folder.
        option: What gives it, for the message.

    Raises:
        ConfigurationError: If it is a file, or cannot be written to.
    """
    folder = Path(path).absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise ConfigurationError(
            f"{option} '{path}'", f"{existing} is a file", "Choose another folder."
        )
    try:
        # Permissions do not tell all: of a file system that takes no files, or of the superuser.
        TemporaryDirectory(dir=existing, prefix=".terratorch-").cleanup()
    except OSError as error:
        raise ConfigurationError(
            f"{option} '{path}'",
            f"{existing} cannot be written to ({error.strerror})",
            "Change its permissions, or choose another folder.",
        ) from error
