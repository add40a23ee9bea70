"""What a task predicts, and what the writer takes: one typed object between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor

MAIN_LAYER = "prediction"
PROBABILITIES_LAYER = "probabilities"


class PredictionKind(StrEnum):
    """What the main layer of a prediction holds."""

    CLASSES = "classes"  # a class id per pixel
    VALUES = "values"  # a value per pixel, or one per pixel and variable
    LABELS = "labels"  # a class id per image


@dataclass
class Prediction:
    """The prediction of a batch of images.

    Attributes:
        layers: What was predicted, by name: `(B, H, W)` or `(B, C, H, W)` per pixel, `(B,)` or
            `(B, C)` per image. The main one is called `prediction`, softmax scores `probabilities`.
        filenames: The file of each image.
        valid: `(B, H, W)`, False where an image holds nodata; None where that is not known.
        class_names: Names of the classes, in the order of their ids.
        kind: What the main layer holds.
    """

    layers: dict[str, Tensor]
    filenames: list[str]
    valid: Tensor | None = None
    class_names: list[str] | None = None
    kind: PredictionKind = PredictionKind.CLASSES

    def __post_init__(self) -> None:
        assert MAIN_LAYER in self.layers, f"no layer {MAIN_LAYER!r} in {sorted(self.layers)}"
        for name, layer in self.layers.items():
            assert len(layer) == len(self.filenames), f"{name}: {len(layer)} images of {len(self)}"
        assert self.valid is None or len(self.valid) == len(self.filenames)

    def __len__(self) -> int:
        return len(self.filenames)

    @property
    def main(self) -> Tensor:
        """The main layer."""
        return self.layers[MAIN_LAYER]

    def split(self) -> Iterator[Prediction]:
        """Yield the prediction of each image, as batches of one that share the memory of this."""
        for index, filename in enumerate(self.filenames):
            one = slice(index, index + 1)
            yield Prediction(
                layers={name: layer[one] for name, layer in self.layers.items()},
                filenames=[filename],
                valid=None if self.valid is None else self.valid[one],
                class_names=self.class_names,
                kind=self.kind,
            )

    def cpu(self) -> Prediction:
        """Return the same prediction in main memory."""
        return Prediction(
            layers={name: layer.detach().cpu() for name, layer in self.layers.items()},
            filenames=self.filenames,
            valid=None if self.valid is None else self.valid.cpu(),
            class_names=self.class_names,
            kind=self.kind,
        )
