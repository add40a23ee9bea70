"""Find the images to predict from files, folders and patterns.

Importing this module needs no torch, so that mistakes are reported at once.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from terratorch.datasets.files import FoundFile, find_files, wildcard_text
from terratorch.datasets.scenes.scene_files import ModalityFiles, pair_modalities
from terratorch.errors import ConfigurationError, DataError, MissingFileError
from terratorch.geo.remote import is_virtual, parse_path

# `NAME=` before a path names a modality; the scheme or query of an address does not.
_OF_MODALITY = re.compile(r"(?P<name>[^\W\d][^=/\\\s]*)=(?P<path>.+)")


def find_scenes(
    paths: Sequence[str | Path] | None, scene_folders: bool = False
) -> list[Path | ModalityFiles]:
    """Return the images that files, folders and patterns name.

    Args:
        paths: Files, folders and patterns; `NAME=PATH` for each of several modalities.
        scene_folders: Whether each folder is one scene. A folder of nothing but folders stands for
            these.

    Raises:
        ConfigurationError: If there are no paths, or two images would have the same map.
        MissingFileError: If a path does not exist.
        DataError: If a folder has no images, or files of several modalities cannot be paired.
    """
    if not paths:
        raise ConfigurationError(
            "predict_data",
            "is missing",
            "Name files, folders or patterns: --predict_data FILE_OR_DIR; or give a configuration "
            "with data.init_args.predict_data_root.",
        )
    by_modality = [_modality(str(path)) for path in paths]
    if any(name is not None for name, _ in by_modality):
        return [*_scenes_of(by_modality, scene_folders)]
    files: list[Path] = []
    for path in (match for text in paths for match in _expanded(str(text), scene_folders)):
        if path.is_dir() and scene_folders:
            files += _scene_folders(path)
        else:
            files += _files_at(path)
    files = list(dict.fromkeys(files))  # patterns may overlap
    _refuse_same_names(files)
    return [*files]


def expand_scenes(
    paths: Sequence[str | Path | ModalityFiles], scene_folders: bool = False
) -> list[Path | ModalityFiles]:
    """Return the images that paths name, some of which may be scenes already.

    Args:
        paths: Scenes, or paths as for `find_scenes`.
        scene_folders: Whether each folder is one scene; a folder as a `Path` is one already.
    """
    scenes: list[Path | ModalityFiles] = []
    others: list[str | Path] = []
    for path in paths:
        if isinstance(path, ModalityFiles) or (scene_folders and isinstance(path, Path)):
            scenes.append(path)
        else:
            others.append(path)
    return [*scenes, *find_scenes(others, scene_folders)] if others or not scenes else scenes


def _files_at(path: Path) -> list[Path]:
    """Return a file, or the files in a folder."""
    if path.is_dir():
        if _has_only_folders(path):
            raise DataError(
                f"predict_data '{path}'",
                "it contains nothing but folders",
                "Use a pattern such as '*/*.tif'; if each folder is one scene of several files, "
                "add --scene_folders.",
            )
        return [file.path for file in find_files(path, None, "predict_data")]
    if is_virtual(path) or path.exists():
        return [path]
    raise MissingFileError(
        f"predict_data '{path}'", "does not exist", "Check the spelling of the path."
    )


def _files_of_modality(pattern: str) -> Iterator[FoundFile]:
    for path in _expanded(pattern, folders=False):
        for file in _files_at(path):
            yield FoundFile(file, file.name, wildcard_text(pattern, str(file)) or file.stem)


def _modality(text: str) -> tuple[str | None, str]:
    """Split `NAME=PATH` into modality and path; the modality is None without `NAME=`."""
    match = _OF_MODALITY.fullmatch(text)
    if match is None or is_virtual(text) or Path(text).exists():
        return None, text
    if glob.has_magic(text) and any(glob.iglob(text, recursive=True)):  # such as year=2020/*.tif
        return None, text
    return match["name"], match["path"]


def _scenes_of(
    named_paths: Sequence[tuple[str | None, str]], scene_folders: bool
) -> list[ModalityFiles]:
    """Pair the files of several modalities into scenes."""
    without = [path for name, path in named_paths if name is None]
    if without or scene_folders:
        raise ConfigurationError(
            f"predict_data '{without[0]}'" if without else "scene_folders",
            "is set together with files of modalities (NAME=PATH)",
            "Write all as NAME=PATH, or name folders with all files of a scene and add "
            "--scene_folders.",
        )
    by_modality: dict[str, list[FoundFile]] = {}
    for name, path in named_paths:
        by_modality.setdefault(str(name), []).extend(_files_of_modality(path))
    return pair_modalities(by_modality, "predict_data")


def _scene_folders(folder: Path) -> list[Path]:
    """Return a scene folder, or the folders in one that contains nothing else."""
    return _visible(folder) if _has_only_folders(folder) else [folder]


def _has_only_folders(folder: Path) -> bool:
    entries = _visible(folder)
    return bool(entries) and all(path.is_dir() for path in entries)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _expanded(pattern: str, folders: bool) -> Iterator[Path]:
    """Yield the files, or folders, that match; a plain path is yielded unchanged."""
    if is_virtual(pattern):
        yield parse_path(pattern)
        return
    if Path(pattern).exists() or not glob.has_magic(pattern):
        yield Path(pattern)
        return
    matched = sorted(
        path
        for path in map(Path, glob.iglob(pattern, recursive=True))
        if (path.is_dir() if folders else path.is_file())
    )
    if not matched:
        kind = "folder" if folders else "file"
        raise MissingFileError(
            f"predict_data '{pattern}'", f"no {kind} matches this pattern", "Check its spelling."
        )
    yield from matched


def _refuse_same_names(files: list[Path]) -> None:
    by_stem: dict[str, Path] = {}
    for file in files:
        other = by_stem.setdefault(file.name if file.is_dir() else file.stem, file)
        if other is not file and not _are_map_and_picture(file, other):
            raise ConfigurationError(
                f"predict_data '{file}'",
                f"its map would have the same name as the map of '{other}'",
                "Predict them in separate runs, each with its own output folder.",
            )


def _are_map_and_picture(file: Path, other: Path) -> bool:
    """Return whether two files may be a finished map and its picture, which reading refuses."""
    suffixes = {file.suffix.lower(), other.suffix.lower()}
    return "_pred" in file.stem and suffixes == {".tif", ".png"}
