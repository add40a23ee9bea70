"""The base of necks: steps between backbone and decoder on a list of features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from terratorch.contracts.features import FeatureKind, Features, channels_of, undeclared
from terratorch.errors import ConfigurationError


class Neck(ABC, nn.Module):
    """The base of the necks; a user's own neck need not inherit from it.

    Args:
        channel_list: Channels of each input feature.
    """

    def __init__(self, channel_list: list[int]) -> None:
        super().__init__()
        self.channel_list = list(channel_list)

    @abstractmethod
    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return the channels of each output feature."""

    @abstractmethod
    def forward(self, features: list[Tensor], **kwargs: Any) -> Any:
        """Return the features of the next step; `image_size` `(H, W)` is among the keywords."""

    def connect(self, features: Features) -> Features:
        """Return the output features for these inputs; called once, when the model is built.

        By default only the channels of the output are known.

        Raises:
            ConfigurationError: If the neck cannot work on these features.
        """
        return undeclared(self.process_channel_list(channels_of(features)))


def connect(neck: nn.Module, features: Features) -> Features:
    """Return the output features of a neck; of a user's own only the channels are known."""
    if isinstance(neck, Neck):
        return neck.connect(features)
    return undeclared(neck.process_channel_list(channels_of(features)))  # type: ignore[operator] # duck typing


def with_channels(features: Features, channels: list[int]) -> Features:
    """Return the features with other channels."""
    return tuple(
        replace(feature, channels=count) for feature, count in zip(features, channels, strict=True)
    )


_CURES = {
    FeatureKind.TOKENS: "Put the neck ReshapeTokensToImage before it.",
    FeatureKind.MAPS_CHANNELS_LAST: (
        "Put the neck PermuteDims with new_order: [0, 3, 1, 2] before it."
    ),
    FeatureKind.VECTORS: "It cannot come after a neck that pools the features.",
}


def require_maps(neck: Neck, features: Features) -> Features:
    """Return the features as maps, unless some are declared to be something else.

    Raises:
        ConfigurationError: If there are tokens, vectors, or maps with the channels last.
    """
    for feature in features:
        if feature.kind in _CURES:
            raise ConfigurationError(
                f"neck '{type(neck).__name__}'",
                f"takes maps (B, C, H, W), but gets {feature.kind.replace('_', ' ')}",
                _CURES[feature.kind],
            )
    return tuple(replace(feature, kind=FeatureKind.MAPS) for feature in features)
