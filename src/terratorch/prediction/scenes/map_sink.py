"""From finished rows of scores to the rows of maps."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from torch import Tensor

from terratorch.contracts.map_tags import LAYERS_TAG, MAP_TAG
from terratorch.contracts.outputs import Raster
from terratorch.contracts.prediction import MAIN_LAYER, Prediction
from terratorch.errors import DataError, NotANumberError
from terratorch.prediction.maps.encoding import layer_encoding
from terratorch.prediction.maps.folder import PredictionFolder
from terratorch.prediction.maps.writer import Georeference, MapWriter
from terratorch.prediction.partial import Unfinished
from terratorch.prediction.scenes.strip import ValidRows

logger = logging.getLogger(__name__)

_ROWS = 128  # that are decided at once: class ids take more memory than what is written of them

# Between bringing what was written onto the disk, which takes milliseconds.
SECONDS_BETWEEN_SAVES = 10.0

# Takes the first row, its prediction, where it is valid, and how many scores it was decided from.
TakeRows = Callable[[int, Prediction, Tensor | None, int], None]


class DecidingSink:
    """Decides rows of scores, and hands their prediction on.

    Args:
        filename: The image.
        decide: Maps scores `(1, C, n, W)` to their prediction.
        valid: Where the source is valid.
        take: Takes the prediction of rows, in order; it may keep it.
        reject: Is told why the rest of the scene is not decided, if the model gave NaN.
    """

    def __init__(
        self,
        filename: str,
        decide: Callable[[Tensor, str], Prediction],
        valid: ValidRows,
        take: TakeRows,
        reject: Callable[[DataError], None],
    ) -> None:
        self.filename, self.decide, self.valid, self.take = filename, decide, valid, take
        self.reject, self._is_rejected = reject, False

    def write_rows(self, top: int, rows: Tensor) -> None:
        """Take `(C, n, W)`, the rows from `top` on; calls come in order."""
        height, width = rows.shape[-2:]
        for begin in range(0, height, _ROWS):
            scores = rows[:, begin : begin + _ROWS].unsqueeze(0).float()
            prediction = self._decided(scores)
            if prediction is None:
                return
            # The canvas will be used again.
            detach = partial(_copied_from, rows.untyped_storage().data_ptr())
            for name, output in prediction.outputs.items():
                prediction.outputs[name] = output.map(detach)
            first = top + begin
            valid = self.valid.take(first, first + scores.shape[-2], width)
            self.take(first, prediction, valid, len(rows))

    def _decided(self, scores: Tensor) -> Prediction | None:
        """Return the prediction of rows; None where these, or some before, cannot be decided."""
        if self._is_rejected:
            return None
        try:
            return self.decide(scores, self.filename).cpu()
        except NotANumberError as error:
            self._is_rejected = True
            self.reject(error)
            return None


def _copied_from(storage: int, values: Tensor) -> Tensor:
    return values.clone() if values.untyped_storage().data_ptr() == storage else values


class MapFiles:
    """The maps of one scene, a file for each layer, written row by row.

    The main layer gets its final name last: where it is, the others are. Now and then what is
    written is brought onto the disk, so that another run can go on from there.

    Args:
        reference: Where the pixels lie.
        folder: Knows the names of files.
        tags: What the files say of themselves.
        unfinished: Maps of an earlier run to go on with.

    Attributes:
        written: The files, once they are complete.
    """

    def __init__(
        self,
        reference: Georeference,
        folder: PredictionFolder,
        tags: Mapping[str, str],
        unfinished: Unfinished | None = None,
    ) -> None:
        self.reference, self.folder, self.tags = reference, folder, tags
        self.unfinished = unfinished
        self.written: list[Path] = []
        self._saved_at = time.monotonic()
        self._files = ExitStack()
        self._writers: dict[str, MapWriter] = {}

    def write(self, top: int, prediction: Prediction, valid: Tensor | None, scores: int) -> None:
        """Write the prediction of the rows from `top` on; the last ones complete the maps.

        Args:
            top: The first row.
            prediction: A batch of one.
            valid: `(n, W)`, False where the image holds nodata.
            scores: How many scores it was decided from.
        """
        if not self._writers:
            self._open(prediction, scores)
        for name, writer in self._writers.items():
            values = _pixels(prediction, name)
            writer.write_rows(top, values[0] if values.ndim == 4 else values, valid)
        if top + _pixels(prediction, MAIN_LAYER).shape[-2] == self.reference.height:
            self._complete()
        elif time.monotonic() - self._saved_at >= SECONDS_BETWEEN_SAVES:
            for writer in self._writers.values():
                writer.save()
            self._saved_at = time.monotonic()

    def suspend(self) -> None:
        """Leave what was written for another run to go on with, unless it is complete."""
        if self.written or not self._writers:
            return
        rows = min(writer.written for writer in self._writers.values())
        if not rows:
            self.discard()
            logger.warning("%s: too few rows are done to be kept", self.reference.path)
            return
        self._files.pop_all()
        with ExitStack() as closing:  # each of them, and the main layer last
            for writer in self._writers.values():
                closing.callback(writer.suspend)
            self._writers.clear()
        logger.warning(
            "%s: %d of %d rows are done and kept; the same command goes on from there",
            self.reference.path,
            rows,
            self.reference.height,
        )

    def discard(self) -> None:
        """Remove what was written, by an earlier run as well, unless it is complete."""
        error = DataError(self.reference.path, "its map was not finished")
        self._files.__exit__(DataError, error, None)
        self._writers.clear()
        if self.unfinished is not None:
            self.unfinished.remove()  # where it was not opened yet

    def _open(self, prediction: Prediction, scores: int) -> None:
        left, begin = {}, 0
        if self.unfinished is not None:
            left, begin = dict(self.unfinished.files), self.unfinished.rows
            assert left.keys() == prediction.outputs.keys(), "maps of the same run have its layers"
        # Files are closed in the reverse of this order.
        layers = sorted(prediction.outputs, key=lambda name: name != MAIN_LAYER)
        main = self.folder.path_of(self.reference.path)
        tags = {**self.tags, LAYERS_TAG: ",".join(layers), MAP_TAG: main.name}
        for name in layers:
            encoding = layer_encoding(prediction, name, self.folder.options, max(scores, 2))
            path = self.folder.path_of(self.reference.path, name)
            writer = MapWriter(path, self.reference, encoding, tags, left.get(name), begin)
            self._writers[name] = self._files.enter_context(writer)

    def _complete(self) -> None:
        self._files.close()
        layers = {name: writer.path for name, writer in self._writers.items()}
        self.written += layers.values()
        self.folder.finish(self.reference.path, layers)


def _pixels(prediction: Prediction, name: str) -> Tensor:
    output = prediction.outputs[name]
    assert isinstance(output, Raster), "maps are made of rasters"
    return output.values
