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
    modalities are called S2 and S1. A single file of each belongs together whatever it is called.

    Args:
        found: The files of each modality.
        option: What gives them, for messages.

    Raises:
        DataError: If a scene has no file, or several, of a modality.
    """
    if all(len(files) == 1 for files in found.values()):
        single = {name: files[0] for name, files in found.items()}
        shared = {_scene_name(file.key, name) for name, file in single.items()} - {""}
        title = shared.pop() if len(shared) == 1 else next(iter(single.values())).path.stem
        return [SceneFiles(title, {name: file.path for name, file in single.items()})]
    scenes: dict[str, dict[str, Path]] = {}
    for modality, files in found.items():
        for file in files:
            scene = scenes.setdefault(_scene_name(file.key, modality), {})
            other = scene.setdefault(modality, file.path)
            if other is not file.path:
                raise DataError(
                    str(file.path),
                    f"is of the same scene as {other.name}, of {modality} as well",
                    f"Narrow the pattern of {modality} in {option}.",
                )
    _check_complete(scenes, list(found), option)
    return [SceneFiles(name, files) for name, files in sorted(scenes.items())]


def bears(name: str) -> re.Pattern[str]:
    """Return what finds the name of a modality as a word, in capitals or not."""
    return re.compile(rf"(?<![A-Z0-9]){re.escape(name)}(?![A-Z0-9])", re.IGNORECASE)


def _scene_name(key: str, modality: str) -> str:
    """Return what is left of a name without that of the modality."""
    match = bears(modality).search(key)
    if match is None:
        return key
    parts = (key[: match.start()], key[match.end() :])
    kept = [part.strip(" _.|-") for part in parts]
    joint = _SEPARATORS.match(parts[1])
    return (joint.group() if joint else "_").join(part for part in kept if part)


def _check_complete(
    scenes: Mapping[str, Mapping[str, Path]], modalities: Sequence[str], option: str
) -> None:
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
