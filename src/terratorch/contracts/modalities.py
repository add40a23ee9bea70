"""What a model that takes several images of a place is given: an input for each modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from terratorch.contracts.images import Images
from terratorch.contracts.input_spec import InputSpec
from terratorch.errors import ConfigurationError


@dataclass(frozen=True)
class ModalitiesSpec:
    """What is read for a model whose input is a dictionary of images, all on one grid of pixels.

    Args:
        modalities: How the images of each are read and normalised, by the name that the model
            knows.

    Examples:
        >>> optical = InputSpec.create(dataset_bands=["RED", "NIR_NARROW"])
        >>> list(ModalitiesSpec({"S2L2A": optical, "DEM": InputSpec()}).modalities)
        ['S2L2A', 'DEM']
    """

    modalities: Mapping[str, InputSpec]

    def __post_init__(self) -> None:
        if not self.modalities:
            raise ConfigurationError("modalities", "it is empty", "Name those of the model.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers, as a checkpoint keeps them."""
        return {"modalities": {name: spec.to_dict() for name, spec in self.modalities.items()}}


# How the images of a model are read: one image, or one for each modality.
ModelInput = InputSpec | ModalitiesSpec


def read_model_input(values: Mapping[str, Any]) -> ModelInput:
    """Build it from what its `to_dict` gave."""
    if "modalities" not in values:
        return InputSpec.from_dict(values)
    parts = values["modalities"].items()
    return ModalitiesSpec({name: InputSpec.from_dict(part) for name, part in parts})


def inputs_of(spec: ModelInput) -> dict[str | None, InputSpec]:
    """Return how images are read, by modality; under None where there is but one image."""
    return {None: spec} if isinstance(spec, InputSpec) else dict(spec.modalities.items())


def shown_bands(spec: ModelInput) -> tuple[str | None, tuple[int, ...]]:
    """Return what of the input is shown to people: a modality, and its red, green and blue.

    The modality is the first that has these, or else the first; None where there is but one image.
    """
    inputs = inputs_of(spec)
    colored = (name for name, one in inputs.items() if one.rgb_indices or one.selection().has_rgb)
    name = next(colored, next(iter(inputs)))
    return name, inputs[name].rgb_indices or inputs[name].selection().rgb_places()


def normalize_images(spec: ModelInput, images: Images, *, in_place: bool = False) -> Images:
    """Normalise a batch of images, or those of each modality; see `InputSpec.normalize`.

    Args:
        spec: How images are normalised.
        images: The batch.
        in_place: Whether images, of floats, may be changed, which is faster.

    Raises:
        ConfigurationError: If the batch has images that the specification does not describe; one
            that is missing is for the model to miss.
    """
    inputs = inputs_of(spec)
    given = {None: images} if isinstance(images, Tensor) else images
    for name in given:
        if name not in inputs:
            raise ConfigurationError(
                "image",
                f"the batch has {_named(given)}, but input_spec describes {_named(inputs)}",
                "Let the data module give what its input_spec says.",
            )
    done = {name: inputs[name].normalize(image, in_place=in_place) for name, image in given.items()}
    return as_input(done)


def as_input(images: Mapping[str | None, Tensor]) -> Images:
    """Return what a model takes: the one image under None, or all by their names."""
    return images[None] if None in images else {str(name): images[name] for name in images}


def _named(inputs: Iterable[str | None]) -> str:
    names = [name for name in inputs if name is not None]
    return f"the modalities {', '.join(names)}" if names else "one image"
