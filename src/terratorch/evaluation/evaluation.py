"""The result of a test as one typed object, and the JSON file that a report is made from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from terratorch.errors import DataError, MissingFileError

EVALUATION_FILE = "evaluation.json"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class ChipScore:
    """The score of a chip of the test set, with the counts that all figures are computed from.

    Attributes:
        filename: Its file.
        score: The score that ranks chips (`ReportedOutput.chip_score`); NaN without a label,
            infinite if predicted values are not finite.
        cells: For classes: the non-zero cells of its confusion matrix, as pairs of
            `true * num_classes + predicted` and the count.
        sums: For values: the fields of `ValueSums`.
    """

    filename: str
    score: float
    cells: tuple[tuple[int, int], ...] = ()
    sums: tuple[float, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A picture of a chip: its title, and the PNG as a `data:` URI."""

    title: str
    uri: str


@dataclass(frozen=True)
class ShownChip:
    """A chip with pictures.

    Attributes:
        rank: `best`, `median` or `worst`.
        filename: Its file.
        score: Its score.
        pictures: Image, label, prediction and errors; only the image if the chip has one label.
        caption: A remark below the pictures.
    """

    rank: str
    filename: str
    score: float
    pictures: list[Picture]
    caption: str = ""


@dataclass(frozen=True)
class PictureScale:
    """The colour scale that all pictures of values share."""

    low: float
    high: float
    error: float  # the error with the deepest colour, of either sign


@dataclass(frozen=True)
class SampleSet:
    """A test set.

    Attributes:
        name: Its name; empty if it is the only one.
        chips: Its chips, in the order of the test.
        logged: The metrics that the task logged, by name without the prefix of the set.
        panels: Chips with pictures: the worst, some near the median, the best.
        scale: The colour scale of pictures of values.
        summary: Figures of predictions that have no score per chip, by name.
    """

    name: str
    chips: list[ChipScore]
    logged: dict[str, float]
    panels: list[ShownChip]
    scale: PictureScale | None = None
    summary: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """A heading with rows of label and text."""

    title: str
    rows: list[tuple[str, str]]


@dataclass(frozen=True)
class Evaluation:
    """The result of a test.

    Attributes:
        kind: The type of output, a row of `terratorch.evaluation.reported`.
        class_names: Names of the classes, in the order of their ids; empty for values.
        ignore_index: The target that is not counted.
        sets: The test sets.
        created: The time of the test, in ISO 8601.
        checkpoint: The file of the weights, None for weights from memory.
        cards: Facts about the model, the data and the software.
        configuration: The configuration of the run as YAML.
        notes: Caveats for the reader, such as missing chips.
    """

    kind: str
    class_names: list[str]
    ignore_index: int | None
    sets: list[SampleSet]
    created: str
    checkpoint: str | None = None
    cards: list[Card] = field(default_factory=list)
    configuration: str = ""
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """Return the evaluation as JSON; NaN becomes null and infinity a string."""
        content = {"format_version": FORMAT_VERSION, **asdict(self)}
        for sample_set in content["sets"]:
            logged = sample_set["logged"]
            sample_set["logged"] = {name: _plain(value) for name, value in logged.items()}
            for chip in sample_set["chips"]:
                chip["sums"] = [_plain(value) for value in chip["sums"]]
            for entry in (*sample_set["chips"], *sample_set["panels"]):
                entry["score"] = _plain(entry["score"])
        return json.dumps(content, allow_nan=False, separators=(",", ":")) + "\n"


def _plain(value: float) -> float | str | None:
    """Return a number that JSON can hold; `_number` reads it back."""
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def read_evaluation(path: Path) -> Evaluation:
    """Read the file that `terratorch test` wrote.

    Raises:
        MissingFileError: If the file does not exist.
        DataError: If it is not an evaluation, or one of a newer release.
    """
    cure = "`terratorch test` writes this file: run it again."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingFileError(str(path), "does not exist", cure) from error
    except OSError as error:
        raise DataError(
            str(path), f"cannot be read ({error.strerror})", "Check its permissions."
        ) from error
    except ValueError as error:
        raise DataError(str(path), f"not valid JSON ({error})", cure) from error
    version = content.pop("format_version", None) if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise DataError(str(path), "not the result of a test", cure)
    if version > FORMAT_VERSION:
        raise DataError(
            str(path),
            f"has format {version}; this release reads up to {FORMAT_VERSION}",
            "Use the release that wrote it or a newer one.",
        )
    try:
        return _evaluation(content)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(str(path), f"is damaged ({error!r})", cure) from error


def _evaluation(content: Mapping[str, Any]) -> Evaluation:
    sets = [_sample_set(entry) for entry in content["sets"]]
    cards = [
        Card(card["title"], [(label, text) for label, text in card["rows"]])
        for card in content["cards"]
    ]
    return Evaluation(**{**content, "sets": sets, "cards": cards})


def _sample_set(entry: Mapping[str, Any]) -> SampleSet:
    chips = [
        ChipScore(
            filename=chip["filename"],
            score=_number(chip["score"]),
            cells=tuple((cell, count) for cell, count in chip["cells"]),
            sums=tuple(map(_number, chip["sums"])),
        )
        for chip in entry["chips"]
    ]
    panels = [
        ShownChip(
            **{
                **panel,
                "score": _number(panel["score"]),
                "pictures": [Picture(**picture) for picture in panel["pictures"]],
            }
        )
        for panel in entry["panels"]
    ]
    logged = {name: _number(value) for name, value in entry["logged"].items()}
    scale = PictureScale(**entry["scale"]) if entry["scale"] else None
    return SampleSet(entry["name"], chips, logged, panels, scale, entry.get("summary", {}))


def _number(value: float | str | None) -> float:
    return float("nan") if value is None else float(value)
