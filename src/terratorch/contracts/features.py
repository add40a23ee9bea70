"""The typed joint between backbone, necks and decoder: what each feature of a list is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable


class FeatureKind(StrEnum):
    """The layout of a feature tensor."""

    MAPS = "maps"  # (B, C, H, W)
    MAPS_CHANNELS_LAST = "maps_channels_last"  # (B, H, W, C)
    TOKENS = "tokens"  # (B, N, C), class token first where there is one
    VECTORS = "vectors"  # (B, C)
    UNKNOWN = "unknown"  # of a user's own backbone that declares nothing but its channels


@dataclass(frozen=True)
class FeatureSpec:
    """What a backbone, or a chain of necks behind it, gives: one entry a feature.

    Attributes:
        channels: Channels of each feature.
        kind: The layout of all of them.
        strides: Input pixels per cell along a side, a feature each; None where it is not known.
        prefix_tokens: Tokens before those of the patches: class token, registers.
        frames: Time steps that the tokens hold, time-major; their image form has `frames` times the
            channels.
    """

    channels: tuple[int, ...]
    kind: FeatureKind = FeatureKind.UNKNOWN
    strides: tuple[int, ...] | None = None
    prefix_tokens: int = 0
    frames: int = 1

    def __len__(self) -> int:
        return len(self.channels)

    def with_channels(self, channels: Sequence[int], **changes: Any) -> FeatureSpec:
        """Return a copy with other channels, and other fields where given."""
        return replace(self, channels=tuple(channels), **changes)


def feature_spec_of(backbone: Any) -> FeatureSpec:
    """Return what a backbone declares: its `feature_spec`, else its `out_channels` of unknown kind.

    Raises:
        AttributeError: If it declares neither.
    """
    declared = getattr(backbone, "feature_spec", None)
    if isinstance(declared, FeatureSpec):
        return declared
    return FeatureSpec(tuple(backbone.out_channels))


@runtime_checkable
class StopsEarly(Protocol):
    """Optional for a backbone: it can leave out layers that no neck reads.

    The state dict must stay the same.
    """

    def stop_after(self, index: int) -> None:
        """Compute nothing deeper than feature `index`, from 0; return no feature after it."""


@runtime_checkable
class Freezes(Protocol):
    """Optional for a backbone: a part of it is trained even when it is frozen, such as prompts."""

    def freeze(self) -> None:
        """Exclude from training what is to be frozen."""


@dataclass(frozen=True)
class Needs:
    """What a decoder takes.

    Attributes:
        kinds: The layouts that it can read; None for any.
        pyramid: It wants maps of several sizes, the finest first.
        one_size: It can only read features of one size.
        levels: How many features; None for any number.
    """

    kinds: frozenset[FeatureKind] | None = None
    pyramid: bool = False
    one_size: bool = False
    levels: int | None = None

    def takes(self, kind: FeatureKind) -> bool:
        """Say whether features of that layout can be read; nothing is known against UNKNOWN."""
        return self.kinds is None or kind is FeatureKind.UNKNOWN or kind in self.kinds


ANYTHING = Needs()
MAPS = Needs(frozenset({FeatureKind.MAPS}))
MAPS_OR_VECTORS = Needs(frozenset({FeatureKind.MAPS, FeatureKind.VECTORS}))
PYRAMID = Needs(frozenset({FeatureKind.MAPS}), pyramid=True)
