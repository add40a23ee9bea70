"""Write the predictions of many images into a folder: maps, or one table of labels."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TextIO

from terratorch.contracts.map_tags import LAYERS_TAG
from terratorch.contracts.outputs import Content, Raster, Table
from terratorch.contracts.prediction import MAIN_LAYER, Prediction
from terratorch.errors import DataError
from terratorch.geo.held_file import create
from terratorch.geo.raster import open_raster
from terratorch.geo.remote import parse_path
from terratorch.prediction.maps.encoding import MapOptions, layer_encoding
from terratorch.prediction.maps.writer import (
    Georeference,
    MapWriter,
    make_folder,
    output_errors,
)
from terratorch.prediction.partial import remove_leftovers
from terratorch.prediction.products.products import FinishedMap, Products

LABELS_FILE = "predictions.csv"
LABELS_HEADER = ("filename", "class_id", "class_name")


class PredictionFolder:
    """Write predictions as they come; use it as a context manager.

    Maps are called `PREFIX` + the name of the image without its suffix + `_pred.tif`, further
    layers `_pred_LAYER.tif`. Labels of images are rows of `PREFIX` + `predictions.csv`, which
    appears when the block ends.

    Args:
        directory: The folder; it is created.
        prefix: What every name begins with, as it is.
        options: How maps are stored.
        products: What is made of finished maps besides.
    """

    def __init__(
        self,
        directory: str | Path,
        prefix: str | None = None,
        options: MapOptions | None = None,
        products: Products | None = None,
    ) -> None:
        self.directory = Path(directory)
        self.prefix = prefix or ""
        self.options = options or MapOptions()
        self.products = products or Products()
        self._sources: dict[Path, str] = {}
        self._labels: LabelTable | None = None

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
        if self._labels is not None:
            self._labels.close(complete=error is None)
            self._labels = None
        if error is None:
            self.products.close(self.directory)

    def write(self, prediction: Prediction) -> list[Path]:
        """Write a batch.

        Returns:
            The files: each map, or the table.

        Raises:
            ConfigurationError: If the dtype does not fit.
            DataError: If two images have one name, or a prediction does not fit its image.
            OutputError: If the folder takes no more.
        """
        prediction = prediction.cpu()
        if prediction.main.per_image:
            if self._labels is None:
                self._labels = LabelTable(self.directory / f"{self.prefix}{LABELS_FILE}")
            self._labels.add(prediction)
            return [self._labels.path]
        return [path for image in prediction.split() for path in self._write_maps(image)]

    def path_of(self, filename: str, layer: str = MAIN_LAYER) -> Path:
        """Return the file of a layer of an image.

        Raises:
            DataError: If another image has had that file in this run.
        """
        stem = parse_path(filename).stem
        suffix = "" if layer == MAIN_LAYER else f"_{layer}"
        path = self.directory / f"{self.prefix}{stem}_pred{suffix}.tif"
        other = self._sources.setdefault(path, filename)
        if other != filename:
            raise DataError(
                filename,
                f"its map would overwrite that of {other}: both would be {path}",
                "Predict each folder into an output folder of its own, or rename one of them.",
            )
        return path

    def finish(self, filename: str, layers: Mapping[str, Path] | None = None) -> None:
        """Make the products of a map whose layers are complete.

        Args:
            filename: The image.
            layers: The file of each layer; None finds those that an earlier run has written.
        """
        self.products.take(FinishedMap(filename, layers or self.layers_of(filename)))

    def layers_of(self, filename: str) -> dict[str, Path]:
        """Return the file of each layer that was written with the map of an image."""
        with open_raster(self.path_of(filename)) as dataset:
            names = dataset.tags().get(LAYERS_TAG, MAIN_LAYER).split(",")
        return {name: self.path_of(filename, name) for name in names}

    def _write_maps(self, image: Prediction) -> list[Path]:
        """Write every layer of a batch of one."""
        (filename,) = image.filenames
        reference = Georeference.of(filename)
        valid = None if image.valid is None else image.valid[0]
        written: dict[str, Path] = {}
        for layer, output in image.outputs.items():
            path = self.path_of(filename, layer)
            assert isinstance(output, Raster), "maps are made of rasters"
            bands = output.values[0] if output.values.ndim == 4 else output.values
            reference.check_size(int(bands.shape[-2]), int(bands.shape[-1]))
            encoding = layer_encoding(image, layer, self.options)
            with MapWriter(path, reference, encoding) as writer:
                writer.write_rows(0, bands, valid)
            written[layer] = path
        self.finish(filename, written)
        return list(written.values())


class LabelTable:
    """The labels of images as rows of a CSV file that appears when it is complete.

    Args:
        path: Its final name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with output_errors(path):
            self._partial = create(path)
            self._file: TextIO = self._partial.path.open("w", newline="", encoding="utf-8")
        self._has_header = False

    def add(self, prediction: Prediction) -> None:
        """Add a row for each image of a batch; layers of scores have a column for each class."""
        rows = [] if self._has_header else [_header(prediction)]
        rows += [_row(image) for image in prediction.split()]
        with output_errors(self.path):
            csv.writer(self._file).writerows(rows)
        self._has_header = True

    def close(self, complete: bool) -> None:
        """Give the table its final name, or remove it where it is not complete."""
        try:
            with output_errors(self.path):
                self._file.close()
                if complete:
                    self._partial.publish(self.path)
        finally:
            self._partial.remove()


def _header(prediction: Prediction) -> list[str]:
    header = list(LABELS_HEADER)
    scores = _score_layers(prediction)
    if Content.PROBABILITIES in scores:
        header.append("probability")
    for name, table in scores.items():
        count = table.values.shape[1]
        columns = table.column_names or prediction.class_names or range(count)
        header += [f"{name}_{column}" for column in columns]
    return header


def _row(image: Prediction) -> list[str]:
    """Return the row of a batch of one."""
    main = _table(image, MAIN_LAYER).values
    label = int(main.argmax(1) if main.ndim == 2 else main)
    row = [image.filenames[0], str(label), _class_name(image, label)]
    scores = _score_layers(image)
    if Content.PROBABILITIES in scores:
        row.append(f"{scores[Content.PROBABILITIES].values[0, label]:.6g}")
    for table in scores.values():
        row += [f"{value:.6g}" for value in table.values[0].tolist()]
    return row


def _table(prediction: Prediction, name: str) -> Table:
    output = prediction.outputs[name]
    assert isinstance(output, Table), "a table of labels is made of tables"
    return output


def _score_layers(prediction: Prediction) -> dict[str, Table]:
    """Return the tables `(B, C)` that hold a score for each class, by what they hold."""
    tables = {name: _table(prediction, name) for name in prediction.outputs}
    return {
        table.content.value if table.content.is_scores else name: table
        for name, table in tables.items()
        if table.values.ndim == 2
    }


def _class_name(image: Prediction, label: int) -> str:
    names = image.class_names
    if names is None:
        return ""
    if label >= len(names):
        raise DataError(
            image.filenames[0],
            f"its predicted class is {label}, but there are {len(names)} class_names",
            "Give as many class_names as num_classes.",
        )
    return names[label]
