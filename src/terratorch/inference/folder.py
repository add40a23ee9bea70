"""Write the predictions of many images into a folder: maps, or one table of labels."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TextIO

import torch
from torch import Tensor

from terratorch.errors import DataError
from terratorch.inference.encoding import layer_encoding
from terratorch.inference.prediction import (
    MAIN_LAYER,
    PROBABILITIES_LAYER,
    Prediction,
    PredictionKind,
)
from terratorch.inference.writer import Georeference, MapWriter, make_folder, output_errors

LABELS_FILE = "predictions.csv"
LABELS_HEADER = ("filename", "class_id", "class_name", "probability")


class PredictionFolder:
    """Write predictions as they come; use it as a context manager.

    Maps are called `PREFIX` + the name of the image without its suffix + `_pred.tif`, further
    layers `_pred_LAYER.tif`. Labels of images are rows of `PREFIX` + `predictions.csv`, which
    appears when the block ends.

    Args:
        directory: The folder; it is created.
        prefix: What every name begins with, as it is.
        out_dtype: The dtype of the maps; None fits it to what is predicted.
    """

    def __init__(
        self, directory: str | Path, prefix: str | None = None, out_dtype: str | None = None
    ) -> None:
        self.directory = Path(directory)
        self.prefix = prefix or ""
        self.out_dtype = out_dtype
        self._sources: dict[Path, str] = {}
        self._labels: LabelTable | None = None

    def __enter__(self) -> PredictionFolder:
        make_folder(self.directory)
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

    def write(self, prediction: Prediction) -> list[Path]:
        """Write a batch.

        Returns:
            The files: each map, or the table.

        Raises:
            ConfigurationError: If the dtype does not fit.
            DataError: If two images have one name, or a prediction does not fit its image.
            TerraTorchError: If the folder takes no more.
        """
        prediction = prediction.cpu()
        if prediction.kind is PredictionKind.LABELS:
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
        stem = Path(filename).stem
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

    def _write_maps(self, image: Prediction) -> Iterator[Path]:
        """Write every layer of a batch of one."""
        (filename,) = image.filenames
        reference = Georeference.of(filename)
        valid = None if image.valid is None else image.valid[0]
        for layer, values in image.layers.items():
            path = self.path_of(filename, layer)
            bands = values[0] if values.ndim == 4 else values
            reference.check_size(int(bands.shape[-2]), int(bands.shape[-1]))
            encoding = layer_encoding(image, layer, self.out_dtype)
            with MapWriter(path, reference, encoding) as writer:
                writer.write_rows(0, bands, valid)
            yield path


class LabelTable:
    """The labels of images as rows of a CSV file that appears when it is complete.

    Args:
        path: Its final name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        with output_errors(path):
            self._file: TextIO = self._partial.open("w", newline="", encoding="utf-8")
            csv.writer(self._file).writerow(LABELS_HEADER)

    def add(self, prediction: Prediction) -> None:
        """Add a row for each image of a batch."""
        rows = [
            (filename, label, _name(prediction, label, filename), score)
            for filename, label, score in zip(
                prediction.filenames, prediction.main.tolist(), _scores(prediction), strict=True
            )
        ]
        with output_errors(self.path):
            csv.writer(self._file).writerows(rows)

    def close(self, complete: bool) -> None:
        """Give the table its final name, or remove it where it is not complete."""
        try:
            with output_errors(self.path):
                self._file.close()
                if complete:
                    os.replace(self._partial, self.path)
        finally:
            self._partial.unlink(missing_ok=True)


def _scores(prediction: Prediction) -> list[str]:
    """Return the probability of each predicted label, empty where there are no probabilities."""
    probabilities = prediction.layers.get(PROBABILITIES_LAYER)
    if probabilities is None:
        return [""] * len(prediction)
    chosen: Tensor = probabilities.gather(1, prediction.main.to(torch.int64).unsqueeze(1))
    return [f"{value:.6g}" for value in chosen.squeeze(1).tolist()]


def _name(prediction: Prediction, label: int, filename: str) -> str:
    names = prediction.class_names
    if names is None:
        return ""
    if not 0 <= label < len(names):
        raise DataError(
            filename,
            f"its predicted class is {label}, but there are {len(names)} class_names",
            "Give as many class_names as num_classes.",
        )
    return names[label]


def write_prediction(
    prediction: Prediction,
    directory: str | Path,
    prefix: str | None = None,
    out_dtype: str | None = None,
) -> list[Path]:
    """Write one batch into a folder; see `PredictionFolder`, which takes many.

    Args:
        prediction: The batch.
        directory: The folder; it is created.
        prefix: What every name begins with.
        out_dtype: The dtype of the maps; None fits it to what is predicted.

    Returns:
        The files.
    """
    with PredictionFolder(directory, prefix, out_dtype) as folder:
        return folder.write(prediction)
