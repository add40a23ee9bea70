"""The neck that merges the features of several modalities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from terratorch.contracts.features import Feature, FeatureKind, Features
from terratorch.errors import ConfigurationError, DataError
from terratorch.models.necks.base import Neck
from terratorch.registry import TERRATORCH_NECK_REGISTRY


def _mean(tensors: list[Tensor], axis: int) -> Tensor:
    return torch.stack(tensors).mean(0)


def _max(tensors: list[Tensor], axis: int) -> Tensor:
    return torch.stack(tensors).amax(0)


_METHODS: dict[str, Callable[[list[Tensor], int], Tensor]] = {
    "mean": _mean,
    "max": _max,
    "concat": torch.cat,
}
_CHANNEL_AXIS = {FeatureKind.TOKENS: -1, FeatureKind.MAPS_CHANNELS_LAST: -1}


@TERRATORCH_NECK_REGISTRY.register
class MergeModalities(Neck):
    """Merge features that a backbone returns by modality: the first of each, the second, and so on.

    Tokens of several modalities in one tensor, one after the other, are merged place by place.

    Args:
        channel_list: Channels of each input feature.
        method: `mean`, `max`, or `concat` of the channels.
    """

    def __init__(self, channel_list: list[int], method: str = "mean") -> None:
        super().__init__(channel_list)
        if method not in _METHODS:
            raise ConfigurationError(
                "MergeModalities.method", f"is {method!r}", f"Choose {', '.join(_METHODS)}."
            )
        self.method = method
        self.groups: list[list[int]] = []  # inputs that make up each output
        self.inputs: Features = ()

    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return the channels of each merged feature, once the neck is connected."""
        return [
            self._channels([channel_list[index] for index in group], self._parts(group))
            for group in self.groups
        ]

    def connect(self, features: Features) -> Features:
        """Return one feature for each place in the lists of the modalities.

        Raises:
            ConfigurationError: If modalities are not declared, or their features differ.
        """
        self.inputs = features
        self.groups = _groups(features)
        merged = []
        for group in self.groups:
            first = features[group[0]]
            channels = self._channels([features[i].channels for i in group], self._parts(group))
            merged.append(replace(first, channels=channels, modality=None))
        return tuple(merged)

    def _parts(self, group: list[int]) -> int:
        modality = self.inputs[group[0]].modality
        return len(modality) if isinstance(modality, tuple) else 1

    def _channels(self, channels: list[int], parts: int) -> int:
        if self.method == "concat":
            return sum(channels) * parts
        if len(set(channels)) > 1:
            raise ConfigurationError(
                "MergeModalities.method",
                f"is {self.method}, but the modalities have {channels} channels",
                "Set method: concat.",
            )
        return channels[0]

    def forward(self, features: list[Tensor], **kwargs: object) -> list[Tensor]:
        """Return the merged features."""
        return [self._merge([features[index] for index in group], group) for group in self.groups]

    def _merge(self, tensors: list[Tensor], group: list[int]) -> Tensor:
        declared = self.inputs[group[0]]
        if isinstance(declared.modality, tuple):
            tensors = _split(tensors[0], declared, len(declared.modality))
        return _METHODS[self.method](tensors, _CHANNEL_AXIS.get(declared.kind, 1))


def _groups(features: Features) -> list[list[int]]:
    """Return the indices of the features that are merged into one, in order."""
    if all(isinstance(feature.modality, tuple) for feature in features):
        return [[index] for index in range(len(features))]
    by_modality: dict[str, list[int]] = {}
    for index, feature in enumerate(features):
        if not isinstance(feature.modality, str):
            raise ConfigurationError(
                "neck 'MergeModalities'",
                "gets features that declare no modality",
                "Remove it, or declare self.features in the backbone: "
                "(Feature(channels, kind, modality='s1'), ...).",
            )
        by_modality.setdefault(feature.modality, []).append(index)
    counts = {name: len(indices) for name, indices in by_modality.items()}
    if len(set(counts.values())) > 1:
        raise ConfigurationError(
            "neck 'MergeModalities'",
            f"gets different numbers of features ({counts})",
            "Select the same number from each modality with SelectIndices first.",
        )
    groups = [list(group) for group in zip(*by_modality.values(), strict=True)]
    for group in groups:
        _check_alike([features[index] for index in group])
    return groups


def _check_alike(features: list[Feature]) -> None:
    layouts = {(f.kind, f.stride, f.grid, f.prefix_tokens, f.frames) for f in features}
    if len(layouts) > 1:
        seen = ", ".join(f"{f.modality}: {f.kind}, stride {f.stride}" for f in features)
        raise ConfigurationError(
            "neck 'MergeModalities'",
            f"cannot merge features of different layouts ({seen})",
            "Choose features of one layout and size with the neck SelectIndices.",
        )


def _split(tokens: Tensor, declared: Feature, parts: int) -> list[Tensor]:
    """Split tokens `(B, prefix + parts * N, C)`; each part keeps the prefix tokens."""
    prefix, patches = tokens[:, : declared.prefix_tokens], tokens[:, declared.prefix_tokens :]
    if patches.shape[1] % parts:
        raise DataError(
            "neck 'MergeModalities'",
            f"cannot split {patches.shape[1]} tokens evenly among {declared.modality}",
            "All modalities must be in the batch, with the same number of patches.",
        )
    return [torch.cat([prefix, part], dim=1) for part in patches.chunk(parts, dim=1)]
