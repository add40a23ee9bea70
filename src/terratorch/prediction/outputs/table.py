"""Labels, scores and values of whole images: one CSV file for a run."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import torch
from torch import Tensor

from terratorch.contracts.outputs import Content, OutputValue, Table
from terratorch.contracts.prediction import MAIN_LAYER, Prediction
from terratorch.errors import DataError
from terratorch.geo.partial_file import PartialFile, create
from terratorch.prediction.maps.writer import output_errors
from terratorch.prediction.outputs.base import FinishImage, OutputFolder

LABELS_FILE = "predictions.csv"
LABELS_HEADER = ("filename", "class_id", "class_name")


class TableFile:
    """The rows of a CSV file that appears when it is complete; it is created with the first batch.

    Args:
        folder: Names the file.
        finish: Unused: a table has no products.
    """

    def __init__(self, folder: OutputFolder, finish: FinishImage) -> None:
        self.path = folder.directory / f"{folder.prefix}{LABELS_FILE}"
        self._open: tuple[PartialFile, TextIO] | None = None

    def add(self, prediction: Prediction) -> list[Path]:
        """Add a row for each image; outputs of scores have a column for each class."""
        rows = [_row(image) for image in prediction.split()]
        with output_errors(self.path):
            if self._open is None:
                partial = create(self.path)
                self._open = partial, partial.path.open("w", newline="", encoding="utf-8")
                rows.insert(0, _header(prediction))
            csv.writer(self._open[1]).writerows(rows)
        return [self.path]

    def close(self, complete: bool) -> None:
        """Give the table its final name, or remove it."""
        if self._open is None:
            return
        partial, file = self._open
        self._open = None
        try:
            with output_errors(self.path):
                file.close()
                if complete:
                    partial.publish(self.path)
        finally:
            partial.remove()


def read_table(path: Path) -> Table:
    """Read the labels of a table that `terratorch predict` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        ids = [int(row["class_id"]) for row in csv.DictReader(file)]
    return Table(torch.tensor(ids), Content.CLASSES)


def as_table(output: OutputValue) -> Table:
    """Return an output that is a table."""
    assert isinstance(output, Table), f"a {type(output).__name__} among tables"
    return output


def first_row(image: Prediction) -> Tensor:
    """Return the label, or the values, of a batch of one."""
    return as_table(image.main).values[0]


def summarise_table(
    outputs: Sequence[OutputValue], class_names: list[str] | None
) -> dict[str, str]:
    """Return the number of images of each class."""
    batches = [as_table(output).values for output in outputs]
    ids = torch.cat([each.argmax(1) if each.ndim == 2 else each for each in batches])
    counts = torch.bincount(ids.long())
    names = class_names or [str(index) for index in range(len(counts))]
    return {names[index]: str(count) for index, count in enumerate(counts.tolist()) if count}


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
    main = as_table(image.outputs[MAIN_LAYER]).values
    label = int(main.argmax(1) if main.ndim == 2 else main)
    row = [image.filenames[0], str(label), _class_name(image, label)]
    scores = _score_layers(image)
    if Content.PROBABILITIES in scores:
        row.append(f"{scores[Content.PROBABILITIES].values[0, label]:.6g}")
    for table in scores.values():
        row += [f"{value:.6g}" for value in table.values[0].tolist()]
    return row


def _score_layers(prediction: Prediction) -> dict[str, Table]:
    """Return the tables `(B, C)` that hold a score for each class, by what they hold."""
    tables = {name: as_table(output) for name, output in prediction.outputs.items()}
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
