"""Necks that turn maps of one size into a pyramid, or add a level."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional as F

from terratorch.contracts.features import Feature, Features, channels_of
from terratorch.errors import ConfigurationError
from terratorch.models.necks.base import Neck, require_maps, with_channels
from terratorch.registry import TERRATORCH_NECK_REGISTRY


def pyramid_layers(channels: Sequence[int]) -> tuple[list[nn.Module], list[int]]:
    """Build the layers that resize four maps of one size by 4, 2, 1 and 1/2, and their channels.

    The simple feature pyramid of plain vision transformers (Li et al. 2022, arXiv:2203.16527).

    Args:
        channels: Channels of the four maps.
    """
    first, second = channels[0], channels[1]
    layers: list[nn.Module] = [
        nn.Sequential(
            nn.ConvTranspose2d(first, first // 2, 2, 2),
            nn.BatchNorm2d(first // 2),
            nn.GELU(),
            nn.ConvTranspose2d(first // 2, first // 4, 2, 2),
        ),
        nn.Sequential(nn.ConvTranspose2d(second, second // 2, 2, 2)),
        nn.Sequential(nn.Identity()),
        nn.Sequential(nn.MaxPool2d(2, 2)),
    ]
    return layers, [first // 4, second // 2, channels[2], channels[3]]


def _scaled(feature: Feature, factor: float) -> Feature:
    """Return a resized map; its stride is known if it is a whole number."""
    stride = feature.stride and feature.stride / factor
    known = stride is not None and float(stride).is_integer()
    return replace(feature, stride=int(stride) if known and stride else None, grid=None)


class _MapNeck(Neck):
    """A neck that resizes each map by its factor."""

    factors: tuple[float, ...]

    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return the same channels."""
        return list(channel_list)

    def connect(self, features: Features) -> Features:
        """Return maps of the new sizes."""
        maps = require_maps(self, features)
        maps = with_channels(maps, self.process_channel_list(channels_of(maps)))
        return tuple(_scaled(level, by) for level, by in zip(maps, self.factors, strict=True))


@TERRATORCH_NECK_REGISTRY.register
class InterpolateToPyramidal(_MapNeck):
    """Enlarge the maps by falling powers of a factor: of four maps by 16, 8, 4 and 2.

    Args:
        channel_list: Channels of each input map.
        scale_factor: The factor.
        mode: How to interpolate, as `torch.nn.functional.interpolate` names it.
    """

    def __init__(
        self, channel_list: list[int], scale_factor: int = 2, mode: str = "nearest"
    ) -> None:
        super().__init__(channel_list)
        count = len(channel_list)
        self.factors = tuple(float(scale_factor ** (count - level)) for level in range(count))
        self.mode = mode

    def forward(self, features: list[Tensor], **kwargs: object) -> list[Tensor]:
        """Return the maps, enlarged."""
        return [
            F.interpolate(feature, scale_factor=factor, mode=self.mode)
            for feature, factor in zip(features, self.factors, strict=True)
        ]


@TERRATORCH_NECK_REGISTRY.register
class MaxpoolToPyramidal(_MapNeck):
    """Shrink the maps by rising powers of a factor: of four maps by 1, 2, 4 and 8.

    Args:
        channel_list: Channels of each input map.
        kernel_size: The factor: the side of the window that a maximum is taken of.
    """

    def __init__(self, channel_list: list[int], kernel_size: int = 2) -> None:
        super().__init__(channel_list)
        self.kernel_size = kernel_size
        self.factors = tuple(kernel_size**-level for level in range(len(channel_list)))

    def forward(self, features: list[Tensor], **kwargs: object) -> list[Tensor]:
        """Return the maps, shrunk."""
        return [
            F.max_pool2d(feature, self.kernel_size**level) if level else feature
            for level, feature in enumerate(features)
        ]


@TERRATORCH_NECK_REGISTRY.register
class LearnedInterpolateToPyramidal(_MapNeck):
    """Resize four maps of one size by 4, 2, 1 and 1/2 with transposed convolutions.

    Args:
        channel_list: Channels of the four input maps.
    """

    factors = (4.0, 2.0, 1.0, 0.5)

    def __init__(self, channel_list: list[int]) -> None:
        super().__init__(channel_list)
        if len(channel_list) != 4:
            raise ConfigurationError(
                "neck 'LearnedInterpolateToPyramidal'",
                f"takes four features, but gets {len(channel_list)}",
                "Put the neck SelectIndices with four indices before it.",
            )
        (self.fpn1, self.fpn2, self.fpn3, self.fpn4), self.embedding_dim = pyramid_layers(
            channel_list
        )

    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return a quarter and a half of the first two channels, and the last two."""
        first, second, third, fourth = channel_list
        return [first // 4, second // 2, third, fourth]

    def forward(self, features: list[Tensor], **kwargs: object) -> list[Tensor]:
        """Return the four maps, resized."""
        layers = (self.fpn1, self.fpn2, self.fpn3, self.fpn4)
        return [layer(feature) for layer, feature in zip(layers, features, strict=True)]


@TERRATORCH_NECK_REGISTRY.register
class AddBottleneckLayer(Neck):
    """Add a level: a 1 x 1 convolution of the last map to half its channels.

    Args:
        channel_list: Channels of each input map.
    """

    def __init__(self, channel_list: list[int]) -> None:
        super().__init__(channel_list)
        self.bottleneck = nn.Conv2d(channel_list[-1], channel_list[-1] // 2, kernel_size=1)

    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return the channels with those of the new level at the end."""
        return [*channel_list, channel_list[-1] // 2]

    def connect(self, features: Features) -> Features:
        """Return the maps with the new level at the end."""
        maps = require_maps(self, features)
        return (*maps, replace(maps[-1], channels=maps[-1].channels // 2))

    def forward(self, features: list[Tensor], **kwargs: object) -> list[Tensor]:
        """Return the maps and the new level in a new list."""
        return [*features, self.bottleneck(features[-1])]


@TERRATORCH_NECK_REGISTRY.register
class FeaturePyramidNetworkNeck(Neck):
    """Mix the levels of a pyramid from coarse to fine (Lin et al. 2017, arXiv:1612.03144).

    Args:
        channel_list: Channels of each input map.
        out_channel: Channels of every output map.
        output_ordered_dict: Return an ordered dictionary `feat0`, `feat1`, ..., for detectors.
    """

    def __init__(
        self, channel_list: list[int], out_channel: int = 256, output_ordered_dict: bool = True
    ) -> None:
        super().__init__(channel_list)
        from torchvision.ops import FeaturePyramidNetwork  # slow to import, and rarely used

        self.out_channel = out_channel
        self.output_ordered_dict = output_ordered_dict
        self.fpn = FeaturePyramidNetwork(list(channel_list), out_channel)

    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return as many times `out_channel`."""
        return [self.out_channel] * len(channel_list)

    def connect(self, features: Features) -> Features:
        """Return maps of the same sizes and other channels."""
        maps = require_maps(self, features)
        return with_channels(maps, self.process_channel_list(channels_of(maps)))

    def forward(
        self, features: list[Tensor], **kwargs: object
    ) -> OrderedDict[str, Tensor] | list[Tensor]:
        """Return the mixed maps."""
        named = OrderedDict((f"feat{level}", feature) for level, feature in enumerate(features))
        mixed: OrderedDict[str, Tensor] = self.fpn(named)
        return mixed if self.output_ordered_dict else list(mixed.values())
