"""Scenes whose modalities are files of several folders, paired by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from terratorch.datasets.files import FoundFile, shortened
from terratorch.errors import DataError

_SEPARATORS = re.compile(r"[\s_.|-]+")


@dataclass(frozen=True)
class ModalityFiles:
    """The files of one scene.

    Attributes:
        name: What the scene is called.
        files: Its file of each modality.
    """

    name: str
    files: Mapping[str, Path]


def pair_modalities(
    by_modality: Mapping[str, Sequence[FoundFile]], option: str
) -> list[ModalityFiles]:
    """Return the scenes that files of several modalities belong to.

    `T33_20200401_S2.tif` and `S1_T33_20200401.tif` are of one scene, `T33_20200401`, where the
    modalities are called S2 and S1. If whole names differ, the text that the wildcards
    of patterns match is compared. A single file of each belongs together whatever it is called.

    Args:
        by_modality: The files of each modality.
        option: What gives them, for messages.

    Raises:
        DataError: If a scene has no file, or several, of a modality, or one of another.
    """
    _refuse_swapped(by_modality, option)
    modalities = list(by_modality)
    ways = [_scenes(by_modality, name_of) for name_of in _NAMES]
    scenes = next((way for way in ways if _is_complete(way, modalities)), None)
    if scenes is None and all(len(files) == 1 for files in by_modality.values()):
        paths = {name: files[0].path for name, files in by_modality.items()}
        return [ModalityFiles(next(iter(paths.values())).stem, paths)]
    if scenes is None:
        raise _incomplete(ways[0], modalities, option)
    return [
        ModalityFiles(name, {modality: paths[0] for modality, paths in files.items()})
        for name, files in sorted(scenes.items())
    ]


# Names that may distinguish scenes: the first that makes all complete is used.
_NAMES: tuple[Callable[[FoundFile], str], ...] = (
    lambda file: file.path.stem,
    lambda file: file.key.rpartition("|")[2],  # what the last wildcard stands for
    lambda file: file.key,
)


def bears(name: str) -> re.Pattern[str]:
    """Return what finds the name of a modality as a word, in capitals or not."""
    return re.compile(rf"(?<![A-Z0-9]){re.escape(name)}(?![A-Z0-9])", re.IGNORECASE)


# The files of each scene, by its name and by modality.
_Scenes = Mapping[str, Mapping[str, Sequence[Path]]]


def _scenes(
    by_modality: Mapping[str, Sequence[FoundFile]], name_of: Callable[[FoundFile], str]
) -> _Scenes:
    """Return the files of each scene, grouped by a name."""
    scenes: dict[str, dict[str, list[Path]]] = {}
    for modality, files in by_modality.items():
        for path, name in {file.path: name_of(file) for file in files}.items():
            scene = scenes.setdefault(_scene_name(name, modality), {})
            scene.setdefault(modality, []).append(path)
    return scenes


def _scene_name(name: str, modality: str) -> str:
    """Return a name without that of the modality, as the name of a file."""
    name = re.sub(r"[|/\\]+", "_", name).strip("_")
    match = bears(modality).search(name)
    if match is None:
        return name
    parts = (name[: match.start()], name[match.end() :])
    joint = _SEPARATORS.match(parts[1])
    kept = [part.strip(" _.|-") for part in parts]
    return (joint.group() if joint else "_").join(part for part in kept if part) or name


def _refuse_swapped(by_modality: Mapping[str, Sequence[FoundFile]], option: str) -> None:
    """Refuse files with the name of another modality than the one they are given for."""
    for modality, files in by_modality.items():
        for file in files:
            stem = file.path.stem
            others = [name for name in by_modality if name != modality and bears(name).search(stem)]
            if others and not bears(modality).search(stem):
                raise DataError(
                    f"{option} {modality}={file.path}",
                    f"the file is called like one of {others[0]}",
                    "Give the files of each modality under its own name.",
                )


def _is_complete(scenes: _Scenes, modalities: Sequence[str]) -> bool:
    return all(
        len(files) == len(modalities) and all(len(paths) == 1 for paths in files.values())
        for files in scenes.values()
    )


def _incomplete(scenes: _Scenes, modalities: Sequence[str], option: str) -> DataError:
    """Return what is wrong with scenes of which one has no file, or several, of a modality."""
    for name, files in scenes.items():
        for modality, paths in files.items():
            if len(paths) > 1:
                return DataError(
                    option,
                    f"the scene {name} has {len(paths)} files of {modality}: "
                    f"{shortened([str(path) for path in paths], 3)}",
                    f"Narrow the pattern of {modality}.",
                )
    missing = {
        modality: [name for name, files in scenes.items() if modality not in files]
        for modality in modalities
    }
    seen = [
        f"{len(names)} of {len(scenes)} scenes have no file of {modality} ({shortened(names, 3)})"
        for modality, names in missing.items()
        if names
    ]
    return DataError(
        option,
        "; ".join(seen),
        "Files of a scene have the same name, apart from that of the modality; wildcards "
        "match the name: S2='s2/*_merged.tif' S1='s1/*_vv_vh.tif'.",
    )
