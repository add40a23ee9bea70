"""What a prediction is: the outputs of a batch of images by name, from a task to a writer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from terratorch.contracts.outputs import Content, OutputValue, Raster, Table, content_of

MAIN_LAYER = "prediction"
UNCERTAINTY_LAYER = "uncertainty"
FURTHER_LAYERS = (Content.PROBABILITIES.value, Content.LOGITS.value, UNCERTAINTY_LAYER)


def layers_of(contents: Iterable[Content]) -> dict[str, Content]:
    """Return the name of the layer for each content, the main one first.

    Classes and values are the main layer; without them the first content is.
    """
    unique = list(dict.fromkeys(contents))
    main = next((content for content in unique if not content.is_scores), unique[0])
    others = {content.value: content for content in unique if content is not main}
    return {MAIN_LAYER: main, **others}


@dataclass
class Prediction:
    """The prediction of a batch of images.

    Attributes:
        outputs: The outputs by name; the main one is `prediction`.
        filenames: The file of each image.
        valid: `(B, H, W)`, False where an image holds nodata; None if that is not known.
        class_names: Names of the classes, in the order of their ids.
    """

    outputs: dict[str, OutputValue]
    filenames: list[str]
    valid: Tensor | None = None
    class_names: list[str] | None = None

    def __post_init__(self) -> None:
        assert MAIN_LAYER in self.outputs, f"no output {MAIN_LAYER!r} in {sorted(self.outputs)}"
        for name, output in self.outputs.items():
            assert len(output) == len(self.filenames), f"{name}: {len(output)} of {len(self)}"
        assert self.valid is None or len(self.valid) == len(self.filenames)

    @classmethod
    def of_tensors(
        cls,
        layers: Mapping[str, Tensor],
        filenames: list[str],
        valid: Tensor | None = None,
        class_names: list[str] | None = None,
        output_type: type[Raster] | type[Table] = Raster,
    ) -> Prediction:
        """Return the prediction of tensors by name; `content_of` says what they hold."""
        outputs: dict[str, OutputValue] = {
            name: output_type(values, content_of(name, values)) for name, values in layers.items()
        }
        return cls(outputs, filenames, valid, class_names)

    def __len__(self) -> int:
        return len(self.filenames)

    @property
    def main(self) -> OutputValue:
        """The main output."""
        return self.outputs[MAIN_LAYER]

    def split(self) -> Iterator[Prediction]:
        """Yield the prediction of each image, as batches of one that share memory with this one."""
        for index, filename in enumerate(self.filenames):
            yield replace(
                self,
                outputs={name: output.image(index) for name, output in self.outputs.items()},
                filenames=[filename],
                valid=None if self.valid is None else self.valid[index : index + 1],
            )

    def cpu(self) -> Prediction:
        """Return the same prediction in main memory."""
        outputs = {name: output.map(_to_cpu) for name, output in self.outputs.items()}
        return replace(
            self, outputs=outputs, valid=None if self.valid is None else self.valid.cpu()
        )


def _to_cpu(values: Tensor) -> Tensor:
    return values.detach().cpu()
