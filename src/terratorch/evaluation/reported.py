"""What a report computes and shows of each type of output: one row per type.

A new type is one row: how chips are scored, which figures follow, and which pictures are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from terratorch.colors import Color
from terratorch.evaluation import chip_scores, pictures
from terratorch.evaluation.chip_scores import ScoredBatch, ThumbnailParts
from terratorch.evaluation.evaluation import (
    ChipScore,
    Evaluation,
    Picture,
    PictureScale,
    SampleSet,
)
from terratorch.evaluation.results import (
    Results,
    class_results,
    value_results,
)
from terratorch.evaluation.thumbnails import Thumbnail
from terratorch.metrics import formulas


@dataclass(frozen=True)
class ReportedOutput:
    """How one type of output is evaluated and shown.

    Attributes:
        title: Its heading.
        chip_score: What chips are ranked by.
        score: Scores the chips of a batch: batch, number of classes, ignored class.
        thumbnail: Gives label and prediction of a chip: batch, index, class names.
        draw: Draws chips: thumbnails, colours of the classes.
        results: Computes the figures of a test set.
        unit: What a confusion matrix counts.
        main_figure: The score of a class that is drawn as a bar.
        draws_maps: Whether label and prediction are drawn, not only the image.
        higher_is_better: Whether the greatest chip score is the best.
        limits: The ends of the axis of chip scores, None takes them from the values.
    """

    title: str
    chip_score: str
    score: Callable[[ScoredBatch, int, int | None], list[ChipScore]]
    thumbnail: Callable[[ScoredBatch, int, Sequence[str]], ThumbnailParts]
    draw: Callable[
        [Sequence[Thumbnail], Sequence[Color]], tuple[list[list[Picture]], PictureScale | None]
    ]
    results: Callable[[Evaluation, SampleSet], Results]
    unit: str = "pixels"
    main_figure: str = "IoU"
    draws_maps: bool = True
    higher_is_better: bool = True
    limits: tuple[float, float] | None = (0.0, 1.0)

    def ranked(self, chips: Sequence[ChipScore]) -> list[ChipScore]:
        """Return the chips with a score, the worst first."""
        scored = [chip for chip in chips if chip.score == chip.score]
        return sorted(scored, key=lambda chip: chip.score, reverse=not self.higher_is_better)


REPORTED: Mapping[str, ReportedOutput] = {
    "segmentation": ReportedOutput(
        title="Semantic segmentation",
        chip_score="mIoU of the classes in the chip",
        score=chip_scores.score_class_maps,
        thumbnail=chip_scores.map_parts,
        draw=pictures.class_pictures,
        results=partial(class_results, formulas.SEGMENTATION),
    ),
    "classification": ReportedOutput(
        title="Classification",
        chip_score="probability of the right class",
        score=chip_scores.score_labels,
        thumbnail=chip_scores.label_parts,
        draw=pictures.image_pictures,
        results=partial(class_results, formulas.CLASSIFICATION),
        unit="images",
        main_figure="F1",
        draws_maps=False,
    ),
    "regression": ReportedOutput(
        title="Pixel-wise regression",
        chip_score="RMSE of the chip",
        score=chip_scores.score_value_maps,
        thumbnail=chip_scores.map_parts,
        draw=pictures.value_pictures,
        results=partial(value_results, formulas.REGRESSION),
        higher_is_better=False,
        limits=None,
    ),
}

# Headings of outputs without scores per chip; see `predicted`, which needs torch.
PREDICTED_TITLES: Mapping[str, str] = {
    "boxes": "Objects",
    "vectors": "Embeddings of images",
    "patch vectors": "Embeddings of patches",
}
