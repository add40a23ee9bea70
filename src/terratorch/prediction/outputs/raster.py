"""Rasters: blended over tiles, stored as GeoTIFF, one file a layer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from terratorch.contracts.map_tags import CONTENT_TAG, LAYERS_TAG, MAP_TAG
from terratorch.contracts.outputs import Content, OutputValue, Raster
from terratorch.contracts.prediction import MAIN_LAYER, Prediction
from terratorch.errors import DataError, NotANumberError
from terratorch.geo.raster import open_raster
from terratorch.prediction.maps.encoding import layer_encoding
from terratorch.prediction.maps.writer import Georeference, MapWriter, is_complete
from terratorch.prediction.outputs.base import (
    FinishedRows,
    FinishImage,
    JoinRequest,
    OutputFolder,
)
from terratorch.prediction.partial import Unfinished
from terratorch.tiles.joining import Blending
from terratorch.tiles.sink import RollingCanvas

logger = logging.getLogger(__name__)

_ROWS = 128  # decided at once: class ids take more memory than the pixels of the file

# Seconds between flushes of finished rows to the disk; a flush takes milliseconds.
SECONDS_BETWEEN_SAVES = 10.0

ToRaster = Callable[[OutputValue], Raster]


def as_raster(output: OutputValue) -> Raster:
    """Return an output that is a raster already."""
    assert isinstance(output, Raster), f"a {type(output).__name__} among rasters"
    return output


def join_rasters(request: JoinRequest) -> Blending:
    """Blend scores, and decide finished rows of them."""
    width = request.plan.columns.length
    sink = DecidingSink(request)
    canvas = RollingCanvas(sink, width, request.zeroed, request.begin, request.end)
    return Blending(canvas, request.weights())


class DecidingSink:
    """Decides rows of scores, and passes their prediction on.

    Args:
        request: The scene, and what takes its prediction.
    """

    def __init__(self, request: JoinRequest) -> None:
        self.request = request
        self._rejected = False

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
            outputs = {name: output.map(detach) for name, output in prediction.outputs.items()}
            first = top + begin
            bottom = first + scores.shape[-2]
            valid = self.request.valid(first, bottom, width)
            prediction = replace(prediction, outputs=outputs)
            self.request.take(FinishedRows(first, bottom, prediction, valid, len(rows)))

    def _decided(self, scores: Tensor) -> Prediction | None:
        """Return the prediction of rows; None once some rows held NaN."""
        if self._rejected:
            return None
        try:
            return self.request.decide(scores, self.request.filename).cpu()
        except NotANumberError as error:
            self._rejected = True
            self.request.reject(error)
            return None


def _copied_from(storage: int, values: Tensor) -> Tensor:
    return values.clone() if values.untyped_storage().data_ptr() == storage else values


class RasterFiles:
    """The maps of one scene, a GeoTIFF for each layer, written row by row.

    The main layer gets its final name last: once it exists, the others do. Finished rows are
    flushed to the disk now and then, so that another run can resume from there.

    Args:
        reference: Where the pixels lie.
        folder: Names the files.
        finish: Called once the maps are complete.
        tags: What the files record about their run.
        unfinished: Maps of an earlier run to resume.
        to_raster: Returns the raster that an output is stored as.

    Attributes:
        written: The files, once they are complete.
    """

    def __init__(
        self,
        reference: Georeference,
        folder: OutputFolder,
        finish: FinishImage,
        tags: Mapping[str, str],
        unfinished: Unfinished | None = None,
        to_raster: ToRaster = as_raster,
    ) -> None:
        self.reference, self.folder, self.finish, self.tags = reference, folder, finish, tags
        self.unfinished, self.to_raster = unfinished, to_raster
        self.written: list[Path] = []
        self._saved_at = time.monotonic()
        self._files = ExitStack()
        self._writers: dict[str, MapWriter] = {}

    def write(self, rows: FinishedRows) -> None:
        """Write finished rows; the last ones complete the maps."""
        outputs = rows.prediction.outputs
        rasters = {name: self.to_raster(output) for name, output in outputs.items()}
        if not self._writers:
            self._open(rasters, rows)
        for name, writer in self._writers.items():
            values = rasters[name].values
            writer.write_rows(rows.top, values[0] if values.ndim == 4 else values, rows.valid)
        if rows.bottom == self.reference.height:
            self._complete()
        elif time.monotonic() - self._saved_at >= SECONDS_BETWEEN_SAVES:
            for writer in self._writers.values():
                writer.save()
            self._saved_at = time.monotonic()

    def suspend(self) -> None:
        """Keep finished rows for another run to resume from, unless the maps are complete."""
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
            "%s: %d of %d rows are done and kept; the same command resumes from there",
            self.reference.path,
            rows,
            self.reference.height,
        )

    def discard(self) -> None:
        """Remove what this and earlier runs have written, unless it is complete."""
        error = DataError(self.reference.path, "its map was not finished")
        self._files.__exit__(DataError, error, None)
        self._writers.clear()
        if self.unfinished is not None:
            self.unfinished.remove()  # if it was not opened yet

    def _open(self, rasters: Mapping[str, Raster], rows: FinishedRows) -> None:
        partial_files, begin = {}, 0
        if self.unfinished is not None:
            partial_files, begin = dict(self.unfinished.files), self.unfinished.rows
            assert partial_files.keys() == rasters.keys(), "maps of the same run have its layers"
        # Files are closed in the reverse of this order.
        layers = sorted(rasters, key=lambda name: name != MAIN_LAYER)
        main = self.folder.path_of(self.reference.path)
        tags = {**self.tags, LAYERS_TAG: ",".join(layers), MAP_TAG: main.name}
        for name in layers:
            raster, names = rasters[name], rows.prediction.class_names
            encoding = layer_encoding(raster, name, names, self.folder.options, max(rows.scores, 2))
            path = self.folder.path_of(self.reference.path, name)
            writer = MapWriter(path, self.reference, encoding, tags, partial_files.get(name), begin)
            self._writers[name] = self._files.enter_context(writer)

    def _complete(self) -> None:
        self._files.close()
        layers = {name: writer.path for name, writer in self._writers.items()}
        self.written += layers.values()
        self.finish(self.reference.path, layers)


class RasterImages:
    """The maps of images that are predicted whole.

    Args:
        folder: Names the files.
        finish: Called once the maps of an image are complete.
        to_raster: Returns the raster that an output is stored as.
    """

    def __init__(
        self, folder: OutputFolder, finish: FinishImage, to_raster: ToRaster = as_raster
    ) -> None:
        self.folder, self.finish, self.to_raster = folder, finish, to_raster

    def add(self, prediction: Prediction) -> list[Path]:
        """Write the maps of a batch."""
        return [path for image in prediction.split() for path in self._write(image)]

    def _write(self, image: Prediction) -> list[Path]:
        (filename,) = image.filenames
        valid = None if image.valid is None else image.valid[0]
        written: dict[str, Path] = {}
        for layer, output in image.outputs.items():
            raster = self.to_raster(output)
            path = self.folder.path_of(filename, layer)
            bands = raster.values[0] if raster.values.ndim == 4 else raster.values
            reference = self._reference(filename, output)
            reference.check_size(int(bands.shape[-2]), int(bands.shape[-1]))
            encoding = layer_encoding(raster, layer, image.class_names, self.folder.options)
            with MapWriter(path, reference, encoding) as writer:
                writer.write_rows(0, bands, valid)
            written[layer] = path
        self.finish(filename, written)
        return list(written.values())

    def _reference(self, filename: str, output: OutputValue) -> Georeference:
        return Georeference.of(filename)

    def close(self, complete: bool) -> None:
        """Nothing to do: each file holds one image."""


class GatheredRaster:
    """The main layer of a scene in one tensor, allocated with the first rows.

    Args:
        reference: The size of the scene.
    """

    def __init__(self, reference: Georeference) -> None:
        self.height, self.width = reference.height, reference.width
        self._first: Prediction | None = None
        self._values = torch.empty(0)
        self._valid: Tensor | None = None

    def take(self, rows: FinishedRows) -> None:
        """Copy finished rows into the tensor."""
        main = rows.prediction.main
        part: Tensor = main.values  # type: ignore[attr-defined]  # rasters and patches have them
        if self._first is None:
            self._first = rows.prediction
            self._values = part.new_empty((*part.shape[:-2], self.height, self.width))
        self._values[..., rows.top : rows.bottom, :] = part
        if rows.valid is not None:
            if self._valid is None:
                self._valid = torch.ones(1, self.height, self.width, dtype=torch.bool)
            self._valid[0, rows.top : rows.bottom] = rows.valid

    def prediction(self) -> Prediction:
        """Return the main layer, as a batch of one."""
        assert self._first is not None, "each scene has rows"
        main = self._first.main.map(lambda _: self._values)
        return replace(self._first, outputs={MAIN_LAYER: main}, valid=self._valid)


def masked_raster(image: Prediction) -> Tensor:
    """Return the main layer of a batch of one, with nodata as in its file."""
    main = as_raster(image.main)
    values = main.values[0]
    if image.valid is None:
        return values
    encoding = layer_encoding(main, MAIN_LAYER, image.class_names)
    return values.masked_fill(~image.valid[0], encoding.nodata)


def raster_layers(folder: OutputFolder, filename: str) -> dict[str, Path]:
    """Return the file of each layer that was written with the map of an image."""
    with open_raster(folder.path_of(filename)) as dataset:
        names = dataset.tags().get(LAYERS_TAG, MAIN_LAYER).split(",")
    return {name: folder.path_of(filename, name) for name in names}


def is_raster_complete(
    folder: OutputFolder, reference: Georeference, tags: Mapping[str, str]
) -> bool:
    """Return whether all layers of an image are finished maps with these tags."""
    if not is_complete(folder.path_of(reference.path), reference, tags):
        return False
    return all(path.is_file() for path in raster_layers(folder, reference.path).values())


def read_raster(path: Path) -> Raster:
    """Read a map that `terratorch predict` wrote; nodata is NaN among numbers.

    Raises:
        DataError: If the file cannot be read.
    """
    with open_raster(path) as dataset:
        content = Content(dataset.tags().get(CONTENT_TAG, Content.VALUES))
        pixels = dataset.read()
        if content is not Content.CLASSES:
            hidden = ~dataset.dataset_mask().astype(bool)
            pixels = pixels * np.float32(dataset.scales[0])
            pixels[:, hidden] = np.nan
        names = tuple(name or "" for name in dataset.descriptions)
    values = torch.from_numpy(pixels)
    if len(names) == 1:
        return Raster(values, content)
    return Raster(values.unsqueeze(0), content, names)


def summarise_raster(
    outputs: Sequence[OutputValue], class_names: list[str] | None
) -> dict[str, str]:
    """Return the share of each class, or the range of values."""
    rasters = list(map(as_raster, outputs))
    values = np.concatenate([raster.values.numpy().ravel() for raster in rasters])
    if rasters[0].content is Content.CLASSES:
        ids, counts = np.unique(values, return_counts=True)
        names = class_names or [str(index) for index in range(int(ids.max()) + 1)]
        return {
            names[index]: f"{count / values.size:.1%}"
            for index, count in zip(ids.tolist(), counts.tolist(), strict=True)
            if index < len(names)
        }
    low, mean, high = np.nanmin(values), np.nanmean(values), np.nanmax(values)
    return {"minimum": f"{low:.4g}", "mean": f"{mean:.4g}", "maximum": f"{high:.4g}"}
