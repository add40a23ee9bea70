"""Scenes whose modalities are files of several folders, paired by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from terratorch.datasets.files import FoundFile, shortened
from terratorch.errors import DataError

_SEPARATORS = re.compile(r"[\s_.|-]+")


@dataclass(frozen=True)
class SceneFiles:
    """The files of one scene.

    Attributes:
        name: What the scene is called.
        files: Its file of each modality.
    """

    name: str
    files: Mapping[str, Path]


def pair_modalities(found: Mapping[str, Sequence[FoundFile]], option: str) -> list[SceneFiles]:
    """Return the scenes that files of several modalities belong to.

    `T33_20200401_S2.tif` and `S1_T33_20200401.tif` are of one scene, `T33_20200401`, where the
    modalities are called S2 and S1. Where whole names do not tell, what the wildcards of patterns
    stand for does. A single file of each belongs together whatever it is called.

    Args:
        found: The files of each modality.
        option: What gives them, for messages.

    Raises:
        DataError: If a scene has no file, or several, of a modality.
    """
    modalities = list(found)
    by_name = _scenes({name: {f.path: f.path.stem for f in files} for name, files in found.items()})
    scenes = by_name
    if not _is_complete(by_name, modalities):
        if all(len(files) == 1 for files in found.values()):
            paths = {name: files[0].path for name, files in found.items()}
            return [SceneFiles(next(iter(paths.values())).stem, paths)]
        by_key = _scenes({name: {f.path: f.key for f in files} for name, files in found.items()})
        scenes = by_key if _is_complete(by_key, modalities) else by_name
    _check(scenes, modalities, option)
    return [
        SceneFiles(name, {modality: paths[0] for modality, paths in files.items()})
        for name, files in sorted(scenes.items())
    ]


def bears(name: str) -> re.Pattern[str]:
    """Return what finds the name of a modality as a word, in capitals or not."""
    return re.compile(rf"(?<![A-Z0-9]){re.escape(name)}(?![A-Z0-9])", re.IGNORECASE)


# The files of each scene, by its name and by modality.
_Scenes = Mapping[str, Mapping[str, Sequence[Path]]]


def _scenes(names: Mapping[str, Mapping[Path, str]]) -> _Scenes:
    """Return the files of each scene; `names` are those of the files of each modality."""
    scenes: dict[str, dict[str, list[Path]]] = {}
    for modality, files in names.items():
        for path, name in files.items():
            scene = scenes.setdefault(_scene_name(name, modality), {})
            scene.setdefault(modality, []).append(path)
    return scenes


def _scene_name(name: str, modality: str) -> str:
    """Return what is left of a name without that of the modality."""
    match = bears(modality).search(name)
    if match is None:
        return name
    parts = (name[: match.start()], name[match.end() :])
    joint = _SEPARATORS.match(parts[1])
    kept = [part.strip(" _.|-") for part in parts]
    return (joint.group() if joint else "_").join(part for part in kept if part) or name


def _is_complete(scenes: _Scenes, modalities: Sequence[str]) -> bool:
    return all(
        len(files) == len(modalities) and all(len(paths) == 1 for paths in files.values())
        for files in scenes.values()
    )


def _check(scenes: _Scenes, modalities: Sequence[str], option: str) -> None:
    for name, files in scenes.items():
        for modality, paths in files.items():
            if len(paths) > 1:
                raise DataError(
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
    if seen:
        raise DataError(
            option,
            "; ".join(seen),
            "Files of a scene have the same name, but for that of the modality; a pattern tells "
            "what is the name: S2='s2/*_merged.tif' S1='s1/*_vv_vh.tif'.",
        )
