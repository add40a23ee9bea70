"""The images of a prediction: single files, and scenes of several files joined."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from terratorch.contracts.input_spec import InputSpec
from terratorch.datasets.scenes.joined_scene import join_scene
from terratorch.datasets.scenes.scene_files import ModalityFiles
from terratorch.errors import DataError


class PredictionImages:
    """Files to predict, with a virtual raster for each scene that consists of several files.

    The virtual rasters are removed together with this object.

    Args:
        scenes: Files; a folder is one scene, and so are the files of several modalities.
        input_spec: What the model takes.

    Attributes:
        paths: The files.
        failures: Scenes that cannot be joined, and why.
    """

    def __init__(self, scenes: Sequence[Path | ModalityFiles], input_spec: InputSpec) -> None:
        self.paths: list[Path] = []
        self.failures: dict[Path, DataError] = {}
        folder: Path | None = None
        for scene in scenes:
            if isinstance(scene, Path) and not scene.is_dir():
                self.paths.append(scene)
                continue
            if folder is None:
                folder = Path(mkdtemp(prefix="terratorch-"))
                weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            try:
                self.paths.append(join_scene(scene, input_spec, folder))
            except DataError as error:
                name = scene if isinstance(scene, Path) else Path(scene.name)
                self.failures[name] = error
