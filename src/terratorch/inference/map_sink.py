"""From finished rows of scores to the rows of maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from torch import Tensor

from terratorch.errors import DataError
from terratorch.inference.encoding import layer_encoding
from terratorch.inference.folder import PredictionFolder
from terratorch.inference.prediction import MAIN_LAYER, Prediction
from terratorch.inference.strip import ValidRows
from terratorch.inference.threads import WriteBehind
from terratorch.inference.writer import Georeference, MapWriter

_ROWS = 128  # that are decided at once: class ids take more memory than what is written of them


class MapSink:
    """Writes the maps of one scene, a file for each layer, in the thread that writes.

    The main layer gets its final name last: where it is, the others are.

    Args:
        reference: Where the pixels lie.
        decide: Maps scores `(1, C, n, W)` to their prediction.
        valid: Where the source is valid.
        folder: Knows the names of files.
        write: Has functions called in the thread.
        tags: What the files say of themselves.
    """

    def __init__(
        self,
        reference: Georeference,
        decide: Callable[[Tensor, str], Prediction],
        valid: ValidRows,
        folder: PredictionFolder,
        write: WriteBehind,
        tags: Mapping[str, str],
    ) -> None:
        self.reference, self.decide, self.valid = reference, decide, valid
        self.folder, self.tags = folder, tags
        self.written: list[Path] = []
        self._write = write
        self._files = ExitStack()
        self._writers: dict[str, MapWriter] = {}

    def write_rows(self, top: int, rows: Tensor) -> None:
        """Write `(C, n, W)`, the rows from `top` on; calls come in order."""
        height, width = rows.shape[-2:]
        for begin in range(0, height, _ROWS):
            scores = rows[:, begin : begin + _ROWS].unsqueeze(0).float()
            prediction = self.decide(scores, self.reference.path).cpu()
            for name, layer in prediction.layers.items():
                if layer.untyped_storage().data_ptr() == rows.untyped_storage().data_ptr():
                    prediction.layers[name] = layer.clone()  # the canvas will be used again
            first = top + begin
            valid = self.valid.take(first, first + scores.shape[-2], width)
            self._write(self._write_prediction, first, prediction, valid, len(rows))
        if top + height == self.reference.height:
            self._write(self._complete)

    def discard(self) -> None:
        """Remove what was written, unless it is complete."""
        error = DataError(self.reference.path, "its map was not finished")
        self._files.__exit__(DataError, error, None)

    def _write_prediction(
        self, top: int, prediction: Prediction, valid: Tensor | None, scores: int
    ) -> None:
        if not self._writers:
            self._open(prediction, scores)
        for name, writer in self._writers.items():
            layer = prediction.layers[name]
            writer.write_rows(top, layer[0] if layer.ndim == 4 else layer, valid)

    def _open(self, prediction: Prediction, scores: int) -> None:
        # Files are closed in the reverse of this order.
        for name in sorted(prediction.layers, key=lambda name: name != MAIN_LAYER):
            encoding = layer_encoding(prediction, name, self.folder.out_dtype, max(scores, 2))
            path = self.folder.path_of(self.reference.path, name)
            writer = MapWriter(path, self.reference, encoding, self.tags)
            self._writers[name] = self._files.enter_context(writer)

    def _complete(self) -> None:
        self._files.close()
        self.written += [writer.path for writer in self._writers.values()]
