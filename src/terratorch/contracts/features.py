"""The joint between backbone, necks and decoder: what each feature of a list is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


class FeatureKind(StrEnum):
    """The layout of a feature tensor."""

    MAPS = "maps"  # (B, C, H, W)
    MAPS_CHANNELS_LAST = "maps_channels_last"  # (B, H, W, C)
    TOKENS = "tokens"  # (B, N, C), class token first if there is one
    VECTORS = "vectors"  # (B, C)
    UNKNOWN = "unknown"  # from a user's backbone that declares only its channels


@dataclass(frozen=True)
class Feature:
    """One feature of a backbone, or of a chain of necks behind it.

    Attributes:
        channels: Channels of the tensor.
        kind: Its layout.
        stride: Input pixels per cell along a side; None if unknown.
        grid: Rows and columns of the cells, if they do not follow from image size and stride.
        prefix_tokens: Tokens before those of the patches: class token, registers.
        frames: Time steps in the tokens, time-major; as a map they become `frames * channels`.
        modality: The modality it comes from, if a backbone returns its features by modality; a
            tuple if the tensor holds the tokens of several, one after the other, in this order.
    """

    channels: int
    kind: FeatureKind = FeatureKind.UNKNOWN
    stride: int | None = None
    grid: tuple[int, int] | None = None
    prefix_tokens: int = 0
    frames: int = 1
    modality: str | tuple[str, ...] | None = None

    def cells(self, image_size: tuple[int, int]) -> tuple[int, int] | None:
        """Return rows and columns of the cells for an image `(H, W)`; None if unknown."""
        if self.grid is not None or self.stride is None:
            return self.grid
        return image_size[0] // self.stride, image_size[1] // self.stride


Features = tuple[Feature, ...]


def features_of(backbone: object) -> Features:
    """Return what a backbone declares: its `features`, else its `out_channels` of unknown kind.

    Raises:
        AttributeError: If it declares neither.
    """
    declared = getattr(backbone, "features", None)
    if isinstance(declared, tuple) and all(isinstance(entry, Feature) for entry in declared):
        return declared
    return undeclared(backbone.out_channels)  # type: ignore[attr-defined] # duck typing


def undeclared(channels: list[int] | tuple[int, ...]) -> Features:
    """Return features of which only the channels are known."""
    return tuple(Feature(count) for count in channels)


def channels_of(features: Features) -> list[int]:
    """Return the channel list that necks and decoders take first."""
    return [feature.channels for feature in features]


@runtime_checkable
class StopsEarly(Protocol):
    """Optional for a backbone: it can skip layers that no neck reads.

    The state dict must stay the same.
    """

    def stop_after(self, index: int) -> None:
        """Compute nothing deeper than feature `index`, from 0; return no feature after it."""


@runtime_checkable
class Freezes(Protocol):
    """Optional for a backbone: some of its parameters, such as prompts, train even when frozen."""

    def freeze(self) -> None:
        """Freeze all other parameters."""


@dataclass(frozen=True)
class Needs:
    """What a decoder takes.

    Attributes:
        kinds: The layouts that it can read; None for any.
        pyramid: Whether it is made for maps of several sizes, the finest first.
        one_size: Whether all features must have the same size.
        levels: How many features; None for any number.
    """

    kinds: frozenset[FeatureKind] | None = None
    pyramid: bool = False
    one_size: bool = False
    levels: int | None = None

    def takes(self, kind: FeatureKind) -> bool:
        """Return whether the decoder can read this layout; UNKNOWN passes."""
        return self.kinds is None or kind is FeatureKind.UNKNOWN or kind in self.kinds


ANYTHING = Needs()
MAPS = Needs(frozenset({FeatureKind.MAPS}))
MAPS_OR_VECTORS = Needs(frozenset({FeatureKind.MAPS, FeatureKind.VECTORS}))
PYRAMID = Needs(frozenset({FeatureKind.MAPS}), pyramid=True)
