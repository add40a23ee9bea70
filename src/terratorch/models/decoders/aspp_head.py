"""Atrous spatial pyramid pooling, as a decoder and as a decoder with its head.

Chen et al. (2017), Rethinking atrous convolution for semantic segmentation, arXiv:1706.05587.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terratorch.contracts.features import MAPS
from terratorch.errors import ConfigurationError
from terratorch.models.arguments import check_indices
from terratorch.models.decoders.base import Decoder
from terratorch.models.decoders.conv_module import ConvModule
from terratorch.registry import TERRATORCH_DECODER_REGISTRY

_TRANSFORMS = (None, "resize_concat", "multiple_select")


class ASPPModule(nn.Module):
    """Convolutions of one map, side by side, that see ever wider surroundings.

    Args:
        dilations: Spacing of the points of each kernel; 1 stands for a 1 x 1 convolution.
        in_channels: Channels of the map.
        channels: Channels of each result.
    """

    def __init__(self, dilations: Sequence[int], in_channels: int, channels: int) -> None:
        super().__init__()
        self.model_sequence = nn.ModuleList(
            ConvModule(in_channels, channels, 1)
            if dilation == 1
            else ConvModule(in_channels, channels, 3, padding=dilation, dilation=dilation)
            for dilation in dilations
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return a map for each dilation."""
        return [module(x) for module in self.model_sequence]


@TERRATORCH_DECODER_REGISTRY.register
class ASPPHead(Decoder):
    """Pool one map, or several resized and joined, with convolutions of several dilations.

    Args:
        dilations: Spacing of the points of each kernel.
        in_channels: Channels of the chosen map, or of all chosen maps together.
        channels: Channels of every step.
        out_dim: Channels of the prediction, of those classes that make one.
        align_corners: Whether resizing keeps the centres of the corner pixels.
        head_dropout_ratio: Ratio of channels that are dropped before the prediction.
        input_transform: `resize_concat` resizes the chosen maps to the first and joins them,
            `multiple_select` takes the first of them; None takes the one map.
        in_index: Which map, or maps.
    """

    needs = MAPS
    takes_channels = False

    def __init__(
        self,
        dilations: Sequence[int] = (1, 6, 12, 18),
        in_channels: int | None = None,
        channels: int | None = None,
        out_dim: int = 3,
        align_corners: bool = False,
        head_dropout_ratio: float = 0.3,
        input_transform: str | None = None,
        in_index: int | list[int] = -1,
    ) -> None:
        super().__init__()
        if in_channels is None or channels is None:
            missing = "in_channels" if in_channels is None else "channels"
            raise ConfigurationError(f"{type(self).__name__}.{missing}", "is missing")
        if input_transform not in _TRANSFORMS:
            raise ConfigurationError(
                f"{type(self).__name__}.input_transform",
                f"is '{input_transform}'",
                "Choose resize_concat or multiple_select, or remove it.",
            )
        self.align_corners = align_corners
        self.input_transform = input_transform
        self.indices = [in_index] if isinstance(in_index, int) else list(in_index)
        self.in_channels = in_channels
        self.out_channels = channels
        self.image_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), ConvModule(in_channels, channels, 1)
        )
        self.aspp_modules = ASPPModule(dilations, in_channels, channels)
        self.bottleneck = ConvModule((len(dilations) + 1) * channels, channels, 3, padding=1)
        self.dropout = nn.Dropout2d(head_dropout_ratio) if head_dropout_ratio else nn.Identity()
        self.out_dim = out_dim

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return a map of the size of the first that was chosen."""
        return self._decode(x)

    def _decode(self, x: list[Tensor]) -> Tensor:
        chosen = self._chosen(x)
        pooled = self._resize(self.image_pool(chosen), chosen)
        decoded: Tensor = self.bottleneck(torch.cat([pooled, *self.aspp_modules(chosen)], dim=1))
        return decoded

    def _chosen(self, x: list[Tensor]) -> Tensor:
        maps = [x[index] for index in self.indices]
        chosen = maps[0]
        if self.input_transform == "resize_concat":
            chosen = torch.cat(
                [chosen, *(self._resize(other, chosen) for other in maps[1:])], dim=1
            )
        if chosen.shape[1] != self.in_channels:
            raise ConfigurationError(
                f"{type(self).__name__}.in_channels",
                f"is {self.in_channels}, but the chosen maps have {chosen.shape[1]} channels",
                f"Set decoder_in_channels: {chosen.shape[1]}",
            )
        return chosen

    def _resize(self, x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(
            x, size=like.shape[-2:], mode="bilinear", align_corners=self.align_corners
        )


def _options(options: dict[str, Any], channel_list: Sequence[int]) -> dict[str, Any]:
    """Return the options; by default `in_channels` are those of the chosen maps."""
    if options.get("in_channels") is not None:
        return options
    chosen = check_indices(options.get("in_index", -1), len(channel_list), "decoder_in_index")
    if options.get("input_transform") != "resize_concat":
        chosen = chosen[:1]
    return {**options, "in_channels": sum(channel_list[index] for index in chosen)}


@TERRATORCH_DECODER_REGISTRY.register
class ASPPSegmentationHead(ASPPHead):
    """Atrous spatial pyramid pooling that ends in logits `(B, classes, H, W)`.

    Args:
        channel_list: Channels of each map.
        num_classes: Classes.
        options: Arguments of `ASPPHead`; `in_channels` follows from the chosen maps.
    """

    takes_channels = True
    includes_head = True

    def __init__(self, channel_list: list[int], num_classes: int = 2, **options: Any) -> None:
        super().__init__(**_options(options, channel_list))
        self.num_classes = num_classes
        self.conv_seg = nn.Conv2d(self.out_channels, num_classes, kernel_size=1)
        self.out_channels = num_classes

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.conv_seg(self.dropout(self._decode(x)))
        return logits


@TERRATORCH_DECODER_REGISTRY.register
class ASPPRegressionHead(ASPPHead):
    """Atrous spatial pyramid pooling that ends in values `(B, outputs, H, W)`.

    Args:
        channel_list: Channels of each map.
        out_channels: Variables to predict.
        options: Arguments of `ASPPHead`; `in_channels` follows from the chosen maps.
    """

    takes_channels = True
    includes_head = True
    head_argument = "out_channels"

    def __init__(self, channel_list: list[int], out_channels: int = 1, **options: Any) -> None:
        super().__init__(**_options(options, channel_list))
        self.conv_reg = nn.Conv2d(self.out_channels, out_channels, kernel_size=1)
        self.out_channels = out_channels

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return the values."""
        values: Tensor = self.conv_reg(self.dropout(self._decode(x)))
        return values
