"""The description of a built model, so that the arguments of its factory are read only once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Bands = tuple[str | int, ...]


@dataclass(frozen=True)
class WeightsOrigin:
    """The weights that a backbone started from.

    Attributes:
        source: The file, or `repository: file` of published weights.
        licence: SPDX identifier of the licence, if published.
        paper: Where the weights are described, if published.
    """

    source: str
    licence: str | None = None
    paper: str | None = None


@dataclass(frozen=True)
class ModelDescription:
    """What a factory knows of the model that it built.

    Attributes:
        backbone: The backbone, or a whole model, by its registered name or its class.
        decoder: The decoder, if any.
        necks: The necks, in order.
        aux_heads: Names of the auxiliary heads.
        bands: The bands that the model takes, in order, by modality if it takes several: those that
            the user named, else those of the weights that it started from; None if unknown.
        bands_argument: The argument of the factory that named the bands; None if the weights did.
        in_chans: How many bands the model takes; None if unknown.
        chip_size: Height and width in pixels that the model was built for; None if it takes any.
        weights: What the backbone started from; None for a random initialisation.
        num_classes: Classes that the model predicts; None for other tasks.
        num_outputs: Variables that the model predicts; None for other tasks.
    """

    backbone: str
    decoder: str | None = None
    necks: tuple[str, ...] = ()
    aux_heads: tuple[str, ...] = ()
    bands: Bands | Mapping[str, Bands] | None = None
    bands_argument: str | None = None
    in_chans: int | None = None
    chip_size: tuple[int, int] | None = None
    weights: WeightsOrigin | None = None
    num_classes: int | None = None
    num_outputs: int | None = None


def description_of(model: object) -> ModelDescription | None:
    """Return the description of a model; None if none of our factories built it."""
    described = getattr(model, "described", None)
    return described if isinstance(described, ModelDescription) else None
