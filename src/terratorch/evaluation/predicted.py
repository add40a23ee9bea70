"""What a report shows of outputs without scores per chip: figures of all, pictures of a few."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from terratorch.contracts.outputs import Boxes, OutputValue, PatchVectors, Vectors
from terratorch.contracts.prediction import Prediction
from terratorch.drawing.paint import paint_rgb
from terratorch.evaluation.chips import rgb_image, shown_image
from terratorch.evaluation.evaluation import ChipScore, Picture, SampleSet, ShownChip
from terratorch.evaluation.pictures import png_data_uri
from terratorch.evaluation.thumbnails import LONGEST_SIDE
from terratorch.prediction.outputs.types import OUTPUT_TYPES

if TYPE_CHECKING:
    from terratorch.evaluation.chips import BatchImages

_SHOWN = 9  # images with pictures
_MOST_NUMBERS = 20_000_000  # kept for the figures; of more, the first images are summarised

# The types of output whose tests are reported so, by the `kind` of an evaluation:
# its title is in `reported.PREDICTED_TITLES`.
PREDICTED: Mapping[str, type[OutputValue]] = {
    "boxes": Boxes,
    "vectors": Vectors,
    "patch vectors": PatchVectors,
}


@dataclass
class PredictionCollector:
    """Collects the predictions of a test set.

    Args:
        kind: A key of `PREDICTED`.
        class_names: Names of the classes; empty without classes.
        rgb: The channels for red, green and blue.
        modality: The modality that is shown, None for the first.
        ignore_index: The target that is not counted.
    """

    kind: str
    class_names: Sequence[str]
    rgb: Sequence[int] = (0, 1, 2)
    modality: str | None = None
    ignore_index: int | None = None
    filenames: list[str] = field(default_factory=list)
    outputs: list[OutputValue] = field(default_factory=list)
    shown: list[ShownChip] = field(default_factory=list)
    _numbers: int = 0

    def add(self, prediction: Prediction, images: BatchImages) -> None:
        """Add the prediction of a batch, with the images that the model saw."""
        prediction = prediction.cpu()
        self.filenames += prediction.filenames
        if self._numbers < _MOST_NUMBERS:
            self.outputs.append(prediction.main.map(self._counted))
        for index in range(min(len(prediction), _SHOWN - len(self.shown))):
            image = rgb_image(images, index, self.rgb, self.modality)
            height = shown_image(images, self.modality).shape[-2]
            self.shown.append(self._draw(prediction, index, image, len(image) / height))

    def _counted(self, values: Tensor) -> Tensor:
        self._numbers += values.numel()
        return values

    def _draw(
        self, prediction: Prediction, index: int, image: NDArray[np.float32], scale: float
    ) -> ShownChip:
        row, names = OUTPUT_TYPES[PREDICTED[self.kind]], list(self.class_names) or None
        times = max(1, LONGEST_SIDE // max(image.shape))  # lines are thin on large pictures
        pixels = paint_rgb(image).repeat(times, 0).repeat(times, 1)
        output = prediction.main.image(index)
        pictures = [Picture("Image", png_data_uri(pixels))]
        if row.paint is not None:
            pictures.append(
                Picture("Prediction", png_data_uri(row.paint(output, pixels, scale * times, names)))
            )
        figures = row.summarise([output], names)
        caption = ", ".join(f"{name}: {text}" for name, text in figures.items())
        return ShownChip("best", prediction.filenames[index], math.nan, pictures, caption)

    def new_names(self, count: int) -> list[str]:
        """Return names for the next images, of which the batch names no files."""
        first = len(self.filenames)
        return [f"chip {index}" for index in range(first, first + count)]

    def state(self) -> tuple[list[str], list[OutputValue]]:
        """Return what other processes need of this collector."""
        return self.filenames, self.outputs

    def merge(self, states: Sequence[tuple[list[str], list[OutputValue]]]) -> None:
        """Take the states of all processes."""
        self.filenames = [name for names, _ in states for name in names]
        self.outputs = [output for _, outputs in states for output in outputs]

    def sample_set(self, name: str, logged: dict[str, float]) -> SampleSet:
        """Return the test set with figures of its predictions, and pictures of some.

        Args:
            name: Name of the set.
            logged: The metrics that the task logged for it.
        """
        row, names = OUTPUT_TYPES[PREDICTED[self.kind]], list(self.class_names) or None
        summary = {"images": f"{len(self.filenames):,}"}
        kept = sum(map(len, self.outputs))
        if kept < len(self.filenames):
            summary["images summarised below"] = f"the first {kept:,}"
        summary |= row.summarise(self.outputs, names)
        chips = [ChipScore(filename, math.nan) for filename in self.filenames]
        return SampleSet(name, chips, logged, self.shown, summary=summary)
