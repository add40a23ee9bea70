"""What a test found, as one typed object, and as the JSON file that a report is made from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from terratorch.errors import DataError, MissingFileError
from terratorch.geo.extent import Bounds

EVALUATION_FILE = "evaluation.json"
FORMAT_VERSION = 1


class Kind(StrEnum):
    """What was evaluated."""

    SEGMENTATION = "segmentation"  # a class per pixel
    CLASSIFICATION = "classification"  # a class per image
    REGRESSION = "regression"  # a value per pixel


@dataclass(frozen=True, slots=True)
class ChipScore:
    """How a chip of the test set came out.

    Attributes:
        filename: Its file.
        score: What chips are ranked by, see `SCORE_NAMES`; NaN where nothing of it counts, and
            infinite where predicted values are no numbers.
        cells: Of classes: the cells of its confusion matrix that are not zero, as pairs of
            `true * num_classes + predicted` and the count.
        sums: Of values: number, target, squared target, absolute error and squared error, summed.
        bounds: Where it lies, in degrees; None where that is not known.
    """

    filename: str
    score: float
    cells: tuple[tuple[int, int], ...] = ()
    sums: tuple[float, ...] = ()
    bounds: Bounds | None = None


SCORE_NAMES = {
    Kind.SEGMENTATION: "mIoU of the classes in the chip",
    Kind.CLASSIFICATION: "probability of the right class",
    Kind.REGRESSION: "RMSE of the chip",
}


@dataclass(frozen=True)
class Picture:
    """A picture of a panel: its title, and the PNG as a `data:` URI."""

    title: str
    uri: str


@dataclass(frozen=True)
class Panel:
    """A chip to look at.

    Attributes:
        rank: `best`, `median` or `worst`.
        filename: Its file.
        score: Its score.
        pictures: Image, label, prediction and errors; the image alone where it has one label.
        caption: What there is to say of it.
    """

    rank: str
    filename: str
    score: float
    pictures: list[Picture]
    caption: str = ""


@dataclass(frozen=True)
class Scale:
    """The scale that the values of the panels are painted with."""

    low: float
    high: float
    error: float  # the error that has the deepest colour, of either sign


@dataclass(frozen=True)
class SampleSet:
    """A test set.

    Attributes:
        name: Its name; empty where there is one.
        chips: Its chips, in the order of the test.
        logged: The metrics that the task logged, by their names without the prefix of the set.
        panels: Chips to look at: the worst, some near the median, the best.
        scale: Of the values on the panels.
    """

    name: str
    chips: list[ChipScore]
    logged: dict[str, float]
    panels: list[Panel]
    scale: Scale | None = None


@dataclass(frozen=True)
class Card:
    """A heading with rows of label and text: the data, the model, the versions."""

    title: str
    rows: list[tuple[str, str]]


@dataclass(frozen=True)
class Evaluation:
    """What a test found.

    Attributes:
        kind: What was evaluated.
        class_names: Names of the classes, in the order of their ids; empty for values.
        ignore_index: The target that counts nowhere.
        sets: The test sets.
        created: When, in ISO 8601.
        checkpoint: The file of the weights; None where they came from elsewhere.
        cards: The model, the data and the versions.
        configuration: The configuration of the run as YAML.
        notes: What a reader must know, such as chips that are missing.
    """

    kind: Kind
    class_names: list[str]
    ignore_index: int | None
    sets: list[SampleSet]
    created: str
    checkpoint: str | None = None
    cards: list[Card] = field(default_factory=list)
    configuration: str = ""
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """Return it as JSON; NaN is null, and infinity a text, as JSON has neither."""
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
    """Return a number as JSON may hold it; `_number` reads it."""
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def read_evaluation(path: Path) -> Evaluation:
    """Read the file that `terratorch test` wrote.

    Raises:
        MissingFileError: If it is not there.
        DataError: If it does not hold an evaluation, or that of a newer release.
    """
    cure = "It is written by `terratorch test`: run that again."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingFileError(str(path), "there is no such file", cure) from error
    except OSError as error:
        raise DataError(
            str(path), f"it cannot be read ({error.strerror})", "Make it readable."
        ) from error
    except ValueError as error:
        raise DataError(str(path), f"it is not JSON ({error})", cure) from error
    version = content.pop("format_version", None) if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise DataError(str(path), "it is not the result of a test", cure)
    if version > FORMAT_VERSION:
        raise DataError(
            str(path),
            f"its format is {version}, and this release knows {FORMAT_VERSION}",
            "Use the release that wrote it, or a newer one.",
        )
    try:
        return _evaluation(content)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(str(path), f"it is damaged ({error!r})", cure) from error


def _evaluation(content: Mapping[str, Any]) -> Evaluation:
    sets = [_sample_set(entry) for entry in content["sets"]]
    cards = [
        Card(card["title"], [(label, text) for label, text in card["rows"]])
        for card in content["cards"]
    ]
    return Evaluation(**{**content, "kind": Kind(content["kind"]), "sets": sets, "cards": cards})


def _sample_set(entry: Mapping[str, Any]) -> SampleSet:
    chips = [
        ChipScore(
            filename=chip["filename"],
            score=_number(chip["score"]),
            cells=tuple((cell, count) for cell, count in chip["cells"]),
            sums=tuple(map(_number, chip["sums"])),
            bounds=tuple(chip["bounds"]) if chip["bounds"] else None,
        )
        for chip in entry["chips"]
    ]
    panels = [
        Panel(
            **{
                **panel,
                "score": _number(panel["score"]),
                "pictures": [Picture(**picture) for picture in panel["pictures"]],
            }
        )
        for panel in entry["panels"]
    ]
    logged = {name: _number(value) for name, value in entry["logged"].items()}
    scale = Scale(**entry["scale"]) if entry["scale"] else None
    return SampleSet(entry["name"], chips, logged, panels, scale)


def _number(value: float | str | None) -> float:
    return float("nan") if value is None else float(value)
