"""What a neck is: a step between backbone and decoder on a list of features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from terratorch.contracts.features import FeatureKind, FeatureSpec
from terratorch.errors import ConfigurationError


class Neck(ABC, nn.Module):
    """The base of the necks; a user's own neck need not inherit from it.

    Args:
        channel_list: Channels of each feature that the neck will get.
    """

    def __init__(self, channel_list: list[int]) -> None:
        super().__init__()
        self.channel_list = list(channel_list)

    @abstractmethod
    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return the channels of each feature that comes out."""

    @abstractmethod
    def forward(self, features: list[Tensor], **kwargs: Any) -> Any:
        """Return the features of the next step; `image_size` `(H, W)` is among the keywords."""

    def output_spec(self, spec: FeatureSpec) -> FeatureSpec:
        """Return what comes out where `spec` comes in; by default only the channels are known.

        Raises:
            ConfigurationError: If the neck cannot work on what comes in.
        """
        channels = self.process_channel_list(list(spec.channels))
        return FeatureSpec(tuple(channels), FeatureKind.UNKNOWN)


def output_spec_of(neck: nn.Module, spec: FeatureSpec) -> FeatureSpec:
    """Return what a neck gives for what it gets: of a user's own only the channels are known."""
    if isinstance(neck, Neck):
        return neck.output_spec(spec)
    channels = neck.process_channel_list(list(spec.channels))  # type: ignore[operator] # duck typing
    return FeatureSpec(tuple(channels), FeatureKind.UNKNOWN)


def require_maps(neck: Neck, spec: FeatureSpec) -> None:
    """Refuse features that are known not to be maps.

    Raises:
        ConfigurationError: If they are tokens, vectors, or maps with the channels last.
    """
    cures = {
        FeatureKind.TOKENS: "Put the neck ReshapeTokensToImage before it.",
        FeatureKind.MAPS_CHANNELS_LAST: (
            "Put the neck PermuteDims with new_order: [0, 3, 1, 2] before it."
        ),
        FeatureKind.VECTORS: "It cannot come after a neck that pools the features.",
    }
    if spec.kind in cures:
        raise ConfigurationError(
            f"neck '{type(neck).__name__}'",
            f"takes maps (B, C, H, W), but gets {spec.kind.value.replace('_', ' ')}",
            cures[spec.kind],
        )
