"""What is to be predicted: checked before anything heavy is imported."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from terratorch.datasets.files import FoundFile, find_files, wildcard_text
from terratorch.datasets.scenes.scene_files import SceneFiles, pair_modalities
from terratorch.errors import ConfigurationError, DataError, MissingFileError
from terratorch.geo.remote import is_virtual, parse_path

# What stands before a path: the name of a modality, not the scheme or the query of an address.
_OF_MODALITY = re.compile(r"(?P<name>[^\W\d][^=/\\\s]*)=(?P<path>.+)")


def check_data(paths: Sequence[str] | None, scene_folders: bool = False) -> list[Path | SceneFiles]:
    """Return the files to predict: those that are named, or match, and those in named folders.

    Args:
        paths: What is given; with `NAME=` before each, the files of a modality.
        scene_folders: Whether each folder is one scene: then folders are returned, or those in
            folders that hold nothing else.

    Raises:
        ConfigurationError: If none are named, or two would be written to the same map.
        MissingFileError: If one is not there.
        DataError: If a folder holds none, or files of several modalities do not make scenes.
    """
    if not paths:
        raise ConfigurationError(
            "predict_data",
            "is missing",
            "Name files, folders or patterns: --predict_data FILE_OR_DIR; or give a configuration "
            "with data.init_args.predict_data_root.",
        )
    by_modality = [_modality(given) for given in paths]
    if any(name is not None for name, _ in by_modality):
        return [*_scenes_of(by_modality, scene_folders)]
    files: list[Path] = []
    for path in (found for given in paths for found in _expanded(given, scene_folders)):
        if path.is_dir() and scene_folders:
            files += _scene_folders(path)
        else:
            files += _files_at(path)
    files = list(dict.fromkeys(files))  # patterns may overlap
    _refuse_same_names(files)
    return [*files]


def _files_at(path: Path) -> list[Path]:
    """Return a file, or those in a folder."""
    if path.is_dir():
        if _holds_folders_alone(path):
            raise DataError(
                f"predict_data '{path}'",
                "it holds nothing but folders",
                "Give a pattern such as '*/*.tif'; where each folder is one scene in several "
                "files, add --scene_folders.",
            )
        return [found.path for found in find_files(path, None, "predict_data")]
    if is_virtual(path) or path.exists():
        return [path]
    raise MissingFileError(
        f"predict_data '{path}'", "does not exist", "Check the spelling of the path."
    )


def find_modalities(given: Mapping[str, Sequence[str | Path]]) -> list[SceneFiles]:
    """Return the scenes that files of several modalities belong to.

    Args:
        given: Files, folders and patterns of each modality.

    Raises:
        MissingFileError: If one is not there.
        DataError: If they do not make scenes.
    """
    found = {
        name: [file for path in paths for file in _files_of_modality(str(path))]
        for name, paths in given.items()
    }
    return pair_modalities(found, "predict_data")


def _files_of_modality(given: str) -> Iterator[FoundFile]:
    for path in _expanded(given, folders=False):
        for file in _files_at(path):
            yield FoundFile(file, file.name, wildcard_text(given, str(file)) or file.stem)


def _modality(given: str) -> tuple[str | None, str]:
    """Return the modality and the path of NAME=PATH; None without one."""
    match = _OF_MODALITY.fullmatch(given)
    if match is None or is_virtual(given) or Path(given).exists():
        return None, given
    if glob.has_magic(given) and any(glob.iglob(given, recursive=True)):  # as in year=2020/*.tif
        return None, given
    return match["name"], match["path"]


def _scenes_of(given: Sequence[tuple[str | None, str]], scene_folders: bool) -> list[SceneFiles]:
    """Return the scenes of NAME=PATH."""
    without = [path for name, path in given if name is None]
    if without or scene_folders:
        raise ConfigurationError(
            f"predict_data '{without[0]}'" if without else "scene_folders",
            "is given beside files of modalities (NAME=PATH)",
            "Give all as NAME=PATH; or the folders that hold all files of a scene, with "
            "--scene_folders.",
        )
    by_modality: dict[str, list[str]] = {}
    for name, path in given:
        by_modality.setdefault(str(name), []).append(path)
    return find_modalities(by_modality)


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
        if other is not file and not _are_map_and_picture(file, other):
            raise ConfigurationError(
                f"predict_data '{file}'",
                f"its map would have the name of that of '{other}'",
                "Predict them in separate runs, with an output folder each.",
            )


def _are_map_and_picture(file: Path, other: Path) -> bool:
    """Whether two files may be a map of ours and its picture: both are refused as they are read."""
    suffixes = {file.suffix.lower(), other.suffix.lower()}
    return "_pred" in file.stem and suffixes == {".tif", ".png"}
