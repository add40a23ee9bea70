"""Collect the chips of a test, batch by batch: counts of all, thumbnails of a few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from terratorch.colors import palette
from terratorch.evaluation.chip_scores import ScoredBatch, shrunk
from terratorch.evaluation.evaluation import ChipScore, SampleSet, ShownChip
from terratorch.evaluation.reported import REPORTED
from terratorch.evaluation.thumbnails import ChipKeeper, Thumbnail

if TYPE_CHECKING:
    from torch import Tensor

    BatchImages = Tensor | Mapping[str, "BatchImages"]


@dataclass
class ChipCollector:
    """Collects the chips of a test set.

    Args:
        kind: The type of output, a row of `REPORTED`.
        class_names: Names of the classes; empty for values.
        ignore_index: The target that is not counted.
        rgb: The channels for red, green and blue.
        modality: The modality that is shown, None for the first.
        process: Number of the process, part of the names of chips without a file.
    """

    kind: str
    class_names: Sequence[str]
    ignore_index: int | None
    rgb: Sequence[int]
    modality: str | None = None
    process: int = 0
    chips: list[ChipScore] = field(default_factory=list)
    keeper: ChipKeeper = field(default_factory=ChipKeeper)

    def __post_init__(self) -> None:
        self.keeper.higher_is_better = REPORTED[self.kind].higher_is_better

    def add(self, batch: ScoredBatch, images: BatchImages) -> None:
        """Add the chips of a batch, with the images that the model saw."""
        row = REPORTED[self.kind]
        scored = row.score(batch, len(self.class_names), self.ignore_index)
        for index, chip in enumerate(scored):
            self.chips.append(chip)

            def make(index: int = index, chip: ChipScore = chip) -> Thumbnail:
                image = rgb_image(images, index, self.rgb, self.modality)
                parts = row.thumbnail(batch, index, self.class_names)
                return Thumbnail(chip.filename, chip.score, image, **parts)

            if chip.score == chip.score:
                self.keeper.add(chip.score, make)

    def new_names(self, count: int) -> list[str]:
        """Return names for the next chips, of which the batch names no files."""
        # Distinct between processes: a repeated name counts as a chip that was tested twice.
        suffix = f" of process {self.process}" if self.process else ""
        first = len(self.chips)
        return [f"chip {index}{suffix}" for index in range(first, first + count)]

    def state(self) -> tuple[list[ChipScore], ChipKeeper]:
        """Return what other processes need of this collector."""
        return self.chips, self.keeper

    def merge(self, states: Sequence[tuple[list[ChipScore], ChipKeeper]]) -> None:
        """Take the states of all processes."""
        self.chips = [chip for chips, _ in states for chip in chips]
        (_, self.keeper), *others = states
        for _, keeper in others:
            self.keeper.merge(keeper)

    def sample_set(self, name: str, logged: dict[str, float]) -> SampleSet:
        """Return the test set with its chips, and pictures of some of them.

        Args:
            name: Name of the set.
            logged: The metrics that the task logged for it.
        """
        scored = [chip.score for chip in self.chips if chip.score == chip.score]
        kept = self.keeper.chosen(float(np.median(scored))) if scored else []
        thumbnails = [chip for _, chip in kept]
        drawn, scale = (
            REPORTED[self.kind].draw(thumbnails, palette(self.class_names)) if kept else ([], None)
        )
        shown = [
            ShownChip(rank, chip.filename, chip.score, pictures, chip.caption)
            for (rank, chip), pictures in zip(kept, drawn, strict=True)
        ]
        return SampleSet(name, self.chips, logged, shown, scale)


def rgb_image(
    images: BatchImages, index: int, rgb: Sequence[int], modality: str | None
) -> NDArray[np.float32]:
    """Return three bands of an image: of one modality, at the last time step."""
    image = shown_image(images, modality)[index]
    image = image[:, -1] if image.ndim == 4 else image
    bands = list(rgb) if max(rgb) < len(image) else [0, 0, 0]
    return np.moveaxis(shrunk(image[bands]), 0, -1)


def shown_image(images: BatchImages, modality: str | None) -> Tensor:
    """Return the images of the modality that is shown."""
    while isinstance(images, Mapping):
        shown = modality if modality is not None and modality in images else next(iter(images))
        images = images[shown]
    return images
