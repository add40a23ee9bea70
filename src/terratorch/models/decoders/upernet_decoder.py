"""The decoder of UPerNet."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terratorch.contracts.features import MAPS, PYRAMID, Needs
from terratorch.models.decoders.base import Decoder
from terratorch.models.decoders.conv_module import ConvModule
from terratorch.models.necks.pyramid import pyramid_layers
from terratorch.registry import TERRATORCH_DECODER_REGISTRY


@TERRATORCH_DECODER_REGISTRY.register
class UperNetDecoder(Decoder):
    """Pool the coarsest map at several scales, and mix the levels from coarse to fine.

    Unified perceptual parsing of Xiao et al. (2018, arXiv:1807.10221).

    Args:
        embed_dim: Channels of each map, the finest first.
        pool_scales: Sides of the grids that the coarsest map is pooled to.
        channels: Channels of every step.
        align_corners: Whether resizing keeps the centres of the corner pixels.
        scale_modules: Resize four maps of one size to a pyramid first, with learned layers.
    """

    needs = PYRAMID

    def __init__(
        self,
        embed_dim: list[int],
        pool_scales: tuple[int, ...] = (1, 2, 3, 6),
        channels: int = 256,
        align_corners: bool = True,
        scale_modules: bool = False,
    ) -> None:
        super().__init__()
        self.scale_modules = scale_modules
        if scale_modules:
            layers, embed_dim = pyramid_layers(embed_dim)
            self.fpn1, self.fpn2, self.fpn3, self.fpn4 = layers
        self.out_channels = channels
        self.align_corners = align_corners
        coarsest, finer = embed_dim[-1], embed_dim[:-1]
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(scale), ConvModule(coarsest, channels, 1))
            for scale in pool_scales
        )
        pooled = coarsest + len(pool_scales) * channels
        self.bottleneck = ConvModule(pooled, channels, 3, padding=1)
        self.lateral_convs = nn.ModuleList(ConvModule(width, channels, 1) for width in finer)
        self.fpn_convs = nn.ModuleList(ConvModule(channels, channels, 3, padding=1) for _ in finer)
        self.fpn_bottleneck = ConvModule(len(embed_dim) * channels, channels, 3, padding=1)

    @classmethod
    def needs_with(cls, arguments: Mapping[str, object]) -> Needs:
        """Accept maps of one size if the decoder makes the pyramid itself."""
        return MAPS if arguments.get("scale_modules") else cls.needs

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return a map `(B, channels, H, W)` of the size of the finest."""
        if self.scale_modules:
            layers = (self.fpn1, self.fpn2, self.fpn3, self.fpn4)
            x = [layer(feature) for layer, feature in zip(layers, x, strict=True)]
        levels = [conv(feature) for conv, feature in zip(self.lateral_convs, x[:-1], strict=True)]
        levels.append(self._pool(x[-1]))
        for level in range(len(levels) - 1, 0, -1):
            levels[level - 1] = levels[level - 1] + self._resize(levels[level], levels[level - 1])
        levels[:-1] = [conv(level) for conv, level in zip(self.fpn_convs, levels[:-1], strict=True)]
        resized = (self._resize(level, levels[0]) for level in levels[1:])
        joined = torch.cat([levels[0], *resized], dim=1)
        decoded: Tensor = self.fpn_bottleneck(joined)
        return decoded

    def _pool(self, coarsest: Tensor) -> Tensor:
        pooled = [self._resize(module(coarsest), coarsest) for module in self.psp_modules]
        mixed: Tensor = self.bottleneck(torch.cat([coarsest, *pooled], dim=1))
        return mixed

    def _resize(self, x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(
            x, size=like.shape[-2:], mode="bilinear", align_corners=self.align_corners
        )
