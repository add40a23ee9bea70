"""The chips to look at: which of them are kept while a test runs, and how they are painted."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from terratorch.colors import VIRIDIS, Color, color_ramp
from terratorch.drawing.paint import scale_index, stretch, stretch_limits, value_limits
from terratorch.evaluation.evaluation import Kind, Panel, Picture, Scale
from terratorch.evaluation.pages.png import png_data_uri

CHIPS_OF_A_RANK = 4
LONGEST = 256  # pixels of a side of a thumbnail
# Of so many random chips those near the median are chosen; of fewer in all, they are the median.
_SAMPLE = 24
_STEPS = 256

WRONG: Color = (196, 30, 150)  # no class of land cover that we colour looks like it
UNLABELLED = (128, 134, 142, 110)  # lets the page through, so that it suits both themes
# Too low, right, too high: "RdBu" of https://colorbrewer2.org, for colour-blind readers too.
ERROR_RAMP: tuple[Color, ...] = (
    (33, 102, 172),
    (146, 197, 222),
    (247, 247, 247),
    (244, 165, 130),
    (178, 24, 43),
)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A chip at a small size.

    Attributes:
        filename: Its file.
        score: Its score.
        image: Red, green and blue in any unit, `(h, w, 3)`; painted only if it is shown.
        target: Class ids or values, `(h, w)`; None where the chip has one label.
        prediction: The same, predicted.
        valid: Where the target counts, `(h, w)`.
        caption: What there is to say of it.
    """

    filename: str
    score: float
    image: NDArray[np.float32]
    target: NDArray[np.float32] | None = None
    prediction: NDArray[np.float32] | None = None
    valid: NDArray[np.bool_] | None = None
    caption: str = ""


_Entry = tuple[float, int, Thumbnail]


@dataclass
class ChipKeeper:
    """Keeps the best chips, the worst and a random sample; its memory does not grow.

    The sample is drawn by algorithm R of Vitter, https://doi.org/10.1145/3147.3165.

    Args:
        higher_is_better: Whether the greatest score is the best.
    """

    higher_is_better: bool = True
    seen: int = 0
    best: list[_Entry] = field(default_factory=list)
    worst: list[_Entry] = field(default_factory=list)
    sample: list[Thumbnail] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(0), repr=False)

    def add(self, score: float, make: Callable[[], Thumbnail]) -> None:
        """Look at a chip; its thumbnail is only made if it is kept."""
        self.seen += 1
        key = score if self.higher_is_better else -score
        place = self._random.randrange(self.seen)
        heaps = [
            heap
            for heap, one in ((self.best, key), (self.worst, -key))
            if len(heap) < CHIPS_OF_A_RANK or one > heap[0][0]
        ]
        if not heaps and place >= _SAMPLE:
            return
        thumbnail = make()
        for heap in heaps:
            entry = (key if heap is self.best else -key, self.seen, thumbnail)
            (heapq.heappush if len(heap) < CHIPS_OF_A_RANK else heapq.heappushpop)(heap, entry)
        if len(self.sample) < _SAMPLE:
            self.sample.append(thumbnail)
        elif place < _SAMPLE:
            self.sample[place] = thumbnail

    def merge(self, other: ChipKeeper) -> None:
        """Take over what was kept in another process."""
        for mine, theirs in ((self.best, other.best), (self.worst, other.worst)):
            mine += [(key, self.seen + number, kept) for key, number, kept in theirs]
            mine[:] = heapq.nlargest(CHIPS_OF_A_RANK, mine)
        self.sample += other.sample
        self.seen += other.seen

    def chosen(self, median: float) -> list[tuple[str, Thumbnail]]:
        """Return the worst chips, those nearest to a median score and the best, each once."""
        each = min(CHIPS_OF_A_RANK, max(1, self.seen // 3))
        taken: set[tuple[str, float]] = set()

        def picked(chips: Iterable[Thumbnail]) -> list[Thumbnail]:
            # By name: processes may have had the same chip, so that each had as many.
            new = {(chip.filename, chip.score): chip for chip in chips}
            left = [key for key in new if key not in taken][:each]
            taken.update(left)
            return [new[key] for key in left]

        worst = picked(kept for *_, kept in sorted(self.worst, reverse=True))
        best = picked(kept for *_, kept in sorted(self.best, reverse=True))
        middle = picked(sorted(self.sample, key=lambda kept: abs(kept.score - median)))
        ranks = {"worst": worst, "median": middle, "best": best}
        return [(rank, kept) for rank, chips in ranks.items() for kept in chips]


def thumbnail_places(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of a chip that its thumbnail shows."""
    step = max(height, width, LONGEST) / LONGEST
    rows = np.arange(max(1, round(height / step))) * step
    columns = np.arange(max(1, round(width / step))) * step
    return (
        rows.astype(np.intp).clip(max=height - 1),
        columns.astype(np.intp).clip(max=width - 1),
    )


def paint_panels(
    kept: Sequence[tuple[str, Thumbnail]], kind: Kind, colors: Sequence[Color]
) -> tuple[list[Panel], Scale | None]:
    """Paint the chips that were chosen.

    Args:
        kept: Rank and thumbnail of each.
        kind: What was evaluated.
        colors: Of the classes.

    Returns:
        The panels, and the scale of their values, which they share.
    """
    scale = _scale_of([chip for _, chip in kept]) if kind is Kind.REGRESSION else None
    panels = []
    for rank, chip in kept:
        pictures = [Picture("Image", _image(chip.image))]
        if scale is not None:
            pictures += _value_pictures(chip, scale)
        elif chip.target is not None:
            pictures += _class_pictures(chip, colors)
        panels.append(Panel(rank, chip.filename, chip.score, pictures, chip.caption))
    return panels, scale


def _image(image: NDArray[np.float32]) -> str:
    hidden = np.logical_or.reduce(~np.isfinite(image), axis=-1)
    stretched = stretch(np.nan_to_num(image), stretch_limits(image, hidden))
    return png_data_uri((stretched * 255).astype(np.uint8))


def _class_pictures(chip: Thumbnail, colors: Sequence[Color]) -> list[Picture]:
    assert chip.target is not None
    assert chip.prediction is not None
    assert chip.valid is not None
    table = np.array([(*color, 255) for color in colors] + [UNLABELLED], dtype=np.uint8)
    nowhere = len(colors)
    target = np.where(chip.valid, chip.target, nowhere).astype(np.intp).clip(0, nowhere)
    prediction = chip.prediction.astype(np.intp).clip(0, nowhere)
    errors = np.zeros((*target.shape, 4), dtype=np.uint8)
    errors[target != prediction] = (*WRONG, 255)
    errors[~chip.valid] = UNLABELLED
    return [
        Picture("Label", png_data_uri(table[target])),
        Picture("Prediction", png_data_uri(table[prediction])),
        Picture("Errors", png_data_uri(errors)),
    ]


def _value_pictures(chip: Thumbnail, scale: Scale) -> list[Picture]:
    assert chip.target is not None
    assert chip.prediction is not None
    assert chip.valid is not None
    everywhere = np.isfinite(chip.prediction)
    differences = np.where(everywhere, chip.prediction, 0) - chip.target
    limits, error = (scale.low, scale.high), (-scale.error, scale.error)
    return [
        Picture("Label", _painted(chip.target, chip.valid, limits, VIRIDIS)),
        Picture("Prediction", _painted(chip.prediction, everywhere, limits, VIRIDIS)),
        Picture("Errors", _painted(differences, chip.valid & everywhere, error, ERROR_RAMP)),
    ]


def _painted(
    values: NDArray[np.float32],
    shown: NDArray[np.bool_],
    limits: tuple[float, float],
    stops: Sequence[Color],
) -> str:
    colors = np.array(color_ramp(stops, _STEPS), dtype=np.uint8)
    painted = colors[scale_index(np.where(shown, values, limits[0]), limits, _STEPS)]
    opaque = np.full((*shown.shape, 1), 255, dtype=np.uint8)
    picture = np.concatenate([painted, opaque], axis=-1)
    picture[~shown] = UNLABELLED
    return png_data_uri(picture)


def _scale_of(chips: Sequence[Thumbnail]) -> Scale | None:
    """Return the scale of all values on some chips, which a few outliers do not stretch."""
    values, errors = [], []
    for chip in chips:
        assert chip.target is not None
        assert chip.prediction is not None
        shown = chip.valid & np.isfinite(chip.prediction)
        target, prediction = chip.target[shown], chip.prediction[shown]
        values += [target, prediction]
        errors.append(np.abs(prediction - target))
    if not values:
        return None
    low, high = value_limits(np.concatenate(values))
    return Scale(low, high, max(value_limits(np.concatenate(errors))[1], 1e-12))
