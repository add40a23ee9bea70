"""What a task predicts: the types of output, as values that hold a batch of images.

The values are not frozen: Lightning moves what `predict_step` returns, which sets their fields.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from torch import Tensor

TensorMap = Callable[[Tensor], Tensor]


class Content(StrEnum):
    """What the numbers of an output mean; `--outputs` takes these names."""

    CLASSES = "classes"  # ids of the most probable class
    PROBABILITIES = "probabilities"  # of each class, 0 to 1
    LOGITS = "logits"  # scores of each class as the model returns them
    VALUES = "values"  # in the units of the targets
    BOXES = "boxes"  # objects, with a class and a score
    VECTORS = "vectors"  # embeddings

    @property
    def is_scores(self) -> bool:
        """Whether there is a number for each class."""
        return self in (Content.PROBABILITIES, Content.LOGITS)


def content_of(name: str, values: Tensor) -> Content:
    """Return what a tensor holds by its name and dtype: scores, class ids or values."""
    if name in (Content.PROBABILITIES, Content.LOGITS):
        return Content(name)
    return Content.VALUES if values.is_floating_point() else Content.CLASSES


@dataclass(eq=False)
class OutputValue(ABC):
    """One output of a batch of images.

    Attributes:
        per_image: Whether it describes an image as a whole; a scene is then never cut into tiles.
    """

    per_image: ClassVar[bool]

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def map(self, function: TensorMap) -> OutputValue:
        """Return the value with a function applied to each of its tensors."""

    @abstractmethod
    def image(self, index: int) -> OutputValue:
        """Return the value of one image, as a batch of one that shares memory with this one."""


@dataclass(eq=False)
class _DenseOutput(OutputValue):
    values: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def map(self, function: TensorMap) -> OutputValue:
        return replace(self, values=function(self.values))

    def image(self, index: int) -> OutputValue:
        return replace(self, values=self.values[index : index + 1])


@dataclass(eq=False)
class Raster(_DenseOutput):
    """Numbers for each pixel.

    Attributes:
        values: `(B, H, W)` or `(B, C, H, W)`.
        content: What they mean.
        band_names: The names of the bands; empty if they are the classes, or have none.
    """

    per_image: ClassVar[bool] = False

    content: Content
    band_names: tuple[str, ...] = ()


@dataclass(eq=False)
class Table(_DenseOutput):
    """Labels, scores or values of whole images.

    Attributes:
        values: `(B,)` or `(B, C)`.
        content: What they mean.
        column_names: The names of the columns; empty if they are the classes, or have none.
    """

    per_image: ClassVar[bool] = True

    content: Content
    column_names: tuple[str, ...] = ()


@dataclass(eq=False)
class Vectors(_DenseOutput):
    """One embedding for each image, `values` `(B, D)`."""

    per_image: ClassVar[bool] = True
    content: ClassVar[Content] = Content.VECTORS


@dataclass(eq=False)
class PatchVectors(_DenseOutput):
    """One embedding for each patch of an image, `values` `(B, D, h, w)`.

    Attributes:
        patch_size: Pixels along a side of a patch; the last row and column of patches may reach
            beyond the image.
    """

    per_image: ClassVar[bool] = False
    content: ClassVar[Content] = Content.VECTORS

    patch_size: int


@dataclass(eq=False)
class Boxes(OutputValue):
    """Objects in each image: boxes, and masks for instances.

    Attributes:
        boxes: `(N, 4)` for each image: left, top, right, bottom in pixels.
        scores: `(N,)` for each image, 0 to 1.
        labels: `(N,)` for each image: class ids.
        masks: For each image and object `(h, w)`, bool: the pixels of its box, widened to whole
            pixels; None without masks.
    """

    per_image: ClassVar[bool] = False
    content: ClassVar[Content] = Content.BOXES

    boxes: tuple[Tensor, ...]
    scores: tuple[Tensor, ...]
    labels: tuple[Tensor, ...]
    masks: tuple[tuple[Tensor, ...], ...] | None = None

    def __post_init__(self) -> None:
        counts = [len(boxes) for boxes in self.boxes]
        assert [len(scores) for scores in self.scores] == counts, "a score for each box"
        assert [len(labels) for labels in self.labels] == counts, "a label for each box"
        assert self.masks is None or [len(masks) for masks in self.masks] == counts

    def __len__(self) -> int:
        return len(self.boxes)

    def map(self, function: TensorMap) -> Boxes:
        """Return the boxes with a function applied to each tensor."""
        masks = self.masks
        return Boxes(
            tuple(map(function, self.boxes)),
            tuple(map(function, self.scores)),
            tuple(map(function, self.labels)),
            None if masks is None else tuple(tuple(map(function, each)) for each in masks),
        )

    def image(self, index: int) -> Boxes:
        """Return the boxes of one image, as a batch of one."""
        one = slice(index, index + 1)
        masks = None if self.masks is None else self.masks[one]
        return Boxes(self.boxes[one], self.scores[one], self.labels[one], masks)

    @classmethod
    def from_detections(cls, detections: Sequence[Mapping[str, Tensor]]) -> Boxes:
        """Return the boxes of what a detector of torchvision returns.

        Args:
            detections: `boxes`, `scores`, `labels` of each image, and `masks` `(N, 1, H, W)` of
                instance segmentation: probabilities, of which 0.5 and more belong to the object.
        """
        masks = None
        if detections and "masks" in detections[0]:
            masks = tuple(_cut_masks(each["masks"], each["boxes"]) for each in detections)
        return cls(
            tuple(each["boxes"] for each in detections),
            tuple(each["scores"] for each in detections),
            tuple(each["labels"] for each in detections),
            masks,
        )


def pixel_window(box: Tensor) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of a box widened to whole pixels."""
    left, top = box[:2].floor().long().tolist()
    right, bottom = box[2:].ceil().long().tolist()
    return left, top, right, bottom


def _cut_masks(masks: Tensor, boxes: Tensor) -> tuple[Tensor, ...]:
    cut = []
    for mask, box in zip(masks, boxes, strict=True):
        left, top, right, bottom = pixel_window(box)
        cut.append(mask[0, top:bottom, left:right] >= 0.5)
    return tuple(cut)
