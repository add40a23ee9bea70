"""What a task predicts, and what the writer takes: one typed object between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from torch import Tensor

MAIN_LAYER = "prediction"
PROBABILITIES_LAYER = "probabilities"
LOGITS_LAYER = "logits"
UNCERTAINTY_LAYER = "uncertainty"
FURTHER_LAYERS = (PROBABILITIES_LAYER, LOGITS_LAYER, UNCERTAINTY_LAYER)


class PredictionKind(StrEnum):
    """What the main layer of a prediction holds."""

    CLASSES = "classes"  # a class id per pixel
    VALUES = "values"  # a value per pixel, or one per pixel and variable
    LABELS = "labels"  # a class id per image


class Output(StrEnum):
    """What a layer holds; by these names it is asked for."""

    CLASSES = "classes"  # ids of the most probable class
    PROBABILITIES = "probabilities"  # of each class, 0 to 1
    LOGITS = "logits"  # scores of each class as the model gives them
    VALUES = "values"  # what else a model gives, in the units of its targets

    @property
    def is_scores(self) -> bool:
        """Whether there is a number for each class."""
        return self in (Output.PROBABILITIES, Output.LOGITS)


def layers_of(outputs: Iterator[Output] | list[Output]) -> dict[str, Output]:
    """Return the layers that hold some outputs, the main one first.

    Classes and values are the main layer; without them the first is.
    """
    wanted = list(dict.fromkeys(outputs))
    main = next((one for one in wanted if not one.is_scores), wanted[0])
    others = {one.value: one for one in wanted if one is not main}
    return {MAIN_LAYER: main, **others}


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
        outputs: What each layer holds, where its name and the kind do not say it.
        band_names: The names of the bands of a layer, where they are not the classes.
    """

    layers: dict[str, Tensor]
    filenames: list[str]
    valid: Tensor | None = None
    class_names: list[str] | None = None
    kind: PredictionKind = PredictionKind.CLASSES
    outputs: Mapping[str, Output] = field(default_factory=dict)
    band_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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

    def output_of(self, layer: str) -> Output:
        """Return what a layer holds."""
        if layer in self.outputs:
            return self.outputs[layer]
        if layer in (PROBABILITIES_LAYER, LOGITS_LAYER):
            return Output(layer)
        is_ids = layer == MAIN_LAYER and not self.main.is_floating_point()
        return (
            Output.CLASSES if is_ids and self.kind is not PredictionKind.VALUES else Output.VALUES
        )

    def split(self) -> Iterator[Prediction]:
        """Yield the prediction of each image, as batches of one that share the memory of this."""
        for index, filename in enumerate(self.filenames):
            one = slice(index, index + 1)
            yield replace(
                self,
                layers={name: layer[one] for name, layer in self.layers.items()},
                filenames=[filename],
                valid=None if self.valid is None else self.valid[one],
            )

    def cpu(self) -> Prediction:
        """Return the same prediction in main memory."""
        return replace(
            self,
            layers={name: layer.detach().cpu() for name, layer in self.layers.items()},
            valid=None if self.valid is None else self.valid.cpu(),
        )
