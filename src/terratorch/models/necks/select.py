"""Necks that pick features, or reorder their axes."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from terratorch.contracts.features import FeatureKind, Features
from terratorch.errors import ConfigurationError
from terratorch.models.arguments import check_indices
from terratorch.models.necks.base import Neck
from terratorch.registry import TERRATORCH_NECK_REGISTRY


@TERRATORCH_NECK_REGISTRY.register
class SelectIndices(Neck):
    """Pick features by their index.

    Args:
        channel_list: Channels of each input feature.
        indices: Which features to pass on, in this order; repeats and negative ones are allowed.
    """

    def __init__(self, channel_list: list[int], indices: list[int]) -> None:
        super().__init__(channel_list)
        # Counted from the front: the backbone may stop at the deepest of them.
        self.indices = check_indices(indices, len(channel_list), "SelectIndices.indices")

    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return the channels of the chosen features."""
        return [channel_list[index] for index in self.indices]

    def connect(self, features: Features) -> Features:
        """Return the chosen features."""
        return tuple(features[index] for index in self.indices)

    def forward(self, features: list[Tensor], **kwargs: object) -> list[Tensor]:
        """Return the chosen features."""
        return [features[index] for index in self.indices]


# Layout of maps after a permutation.
_LAYOUTS: dict[tuple[FeatureKind, tuple[int, ...]], FeatureKind] = {
    (FeatureKind.MAPS_CHANNELS_LAST, (0, 3, 1, 2)): FeatureKind.MAPS,
    (FeatureKind.MAPS, (0, 2, 3, 1)): FeatureKind.MAPS_CHANNELS_LAST,
}


@TERRATORCH_NECK_REGISTRY.register
class PermuteDims(Neck):
    """Reorder the axes of every feature, such as maps with the channels last to `(B, C, H, W)`.

    Args:
        channel_list: Channels of each input feature.
        new_order: The order of the axes, as `torch.permute` takes it.
    """

    def __init__(self, channel_list: list[int], new_order: list[int]) -> None:
        super().__init__(channel_list)
        axes = range(len(new_order))
        if sorted(new_order, key=str) != sorted(axes, key=str):
            raise ConfigurationError(
                "PermuteDims.new_order",
                f"is {new_order!r}",
                "Give each axis once, counted from 0, such as [0, 3, 1, 2].",
            )
        self.new_order = list(new_order)

    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return the same channels."""
        return list(channel_list)

    def connect(self, features: Features) -> Features:
        """Return the same features in the new layout."""
        order = tuple(self.new_order)
        return tuple(
            replace(feature, kind=_LAYOUTS.get((feature.kind, order), FeatureKind.UNKNOWN))
            for feature in features
        )

    def forward(self, features: list[Tensor], **kwargs: object) -> list[Tensor]:
        """Return the features with their axes reordered."""
        return [feature.permute(self.new_order).contiguous() for feature in features]
