"""Write the predictions of many images into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import TracebackType

from terratorch.contracts.outputs import OutputValue
from terratorch.contracts.prediction import Prediction
from terratorch.prediction.maps.encoding import MapOptions
from terratorch.prediction.maps.writer import Georeference, make_folder
from terratorch.prediction.outputs.base import BatchFiles, FinishImage, OutputFolder, SceneFiles
from terratorch.prediction.outputs.types import OUTPUT_TYPES
from terratorch.prediction.partial import Unfinished, remove_leftovers
from terratorch.prediction.products.products import FinishedMap, Products


class PredictionFolder(OutputFolder):
    """Write predictions as they arrive; use it as a context manager.

    Files that hold several images appear when the block ends.
    """

    def __init__(
        self,
        directory: str | Path,
        prefix: str | None = None,
        options: MapOptions | None = None,
        products: Products | None = None,
    ) -> None:
        super().__init__(directory, prefix, options, products)
        self._batches: dict[type[OutputValue], BatchFiles] = {}

    def __enter__(self) -> PredictionFolder:
        make_folder(self.directory)
        remove_leftovers(self.directory)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for files in self._batches.values():
            files.close(complete=error is None)
        self._batches.clear()
        if error is None:
            self.products.close(self.directory)

    def write(self, prediction: Prediction) -> list[Path]:
        """Write a batch.

        Returns:
            The files: one for each image and layer, or one for all.

        Raises:
            ConfigurationError: If an option of storage does not fit.
            DataError: If two images have one name, or a prediction does not fit its image.
            OutputError: If the folder cannot be written to.
        """
        prediction = prediction.cpu()
        type_ = type(prediction.main)
        if type_ not in self._batches:
            self._batches[type_] = OUTPUT_TYPES[type_].batch_files(self, self._finisher(type_))
        return self._batches[type_].add(prediction)

    def scene_files(
        self,
        type_: type[OutputValue],
        reference: Georeference,
        tags: Mapping[str, str],
        unfinished: Unfinished | None,
    ) -> SceneFiles:
        """Return the files of a scene, to be written row by row."""
        files = OUTPUT_TYPES[type_].handling.files
        return files(reference, self, self._finisher(type_), tags, unfinished)

    def finish(self, type_: type[OutputValue], filename: str) -> None:
        """Make the products of an image whose files an earlier run completed."""
        self._finisher(type_)(filename, OUTPUT_TYPES[type_].handling.layers(self, filename))

    def _finisher(self, type_: type[OutputValue]) -> FinishImage:
        return partial(self._finish, type_)

    def _finish(self, type_: type[OutputValue], filename: str, layers: Mapping[str, Path]) -> None:
        row = OUTPUT_TYPES[type_]
        if row.derive is not None:
            self.products.written += row.derive(self, layers)
        self.products.take(FinishedMap(filename, layers, row.draw))
