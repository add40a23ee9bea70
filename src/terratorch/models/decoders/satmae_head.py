"""The decoders that rebuild an image from the tokens of a masked autoencoder.

The decoder of masked autoencoders (He et al. 2022, arXiv:2111.06377), as SatMAE uses it (Cong et
al. 2022, arXiv:2207.08051).
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn

from terratorch.errors import ConfigurationError
from terratorch.models.decoders.base import Decoder
from terratorch.registry import TERRATORCH_DECODER_REGISTRY

Number = TypeVar("Number", int, float)


@TERRATORCH_DECODER_REGISTRY.register
class SatMAEHead(Decoder):
    """Rebuild an image from the visible tokens of a masked autoencoder.

    Args:
        embed_dim: Channels of the tokens.
        out_channels: Channels inside the decoder.
        bias: Whether its first and last layer have a bias.
        num_heads: Heads of its attention.
        mlp_ratio: Width of its hidden layers, in multiples of its channels.
        patch_size: Side of a patch in pixels.
        num_patches: Patches of the whole image.
        depth: Layers.
        norm_layer: Normalisation, called with the channels.
        in_chans: Channels of the image.
    """

    def __init__(
        self,
        embed_dim: int | None = None,
        out_channels: int | None = None,
        bias: bool = True,
        num_heads: int | None = None,
        mlp_ratio: float | None = None,
        patch_size: int | None = None,
        num_patches: int = 1,
        depth: int | None = None,
        norm_layer: type[nn.Module] = nn.LayerNorm,
        in_chans: int | None = None,
    ) -> None:
        super().__init__()
        width = _given("out_channels", out_channels)
        patch, bands = _given("patch_size", patch_size), _given("in_chans", in_chans)
        heads, ratio = _given("num_heads", num_heads), _given("mlp_ratio", mlp_ratio)
        layers = range(_given("depth", depth))
        from timm.models.vision_transformer import Block  # slow to import

        self.out_channels, self.patch_size, self.in_chans = width, patch, bands
        self.decoder_embed = nn.Linear(_given("embed_dim", embed_dim), width, bias=bias)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.decoder_pos_embed = nn.Parameter(torch.zeros(1, num_patches + 1, width))
        self.decoder_blocks = nn.ModuleList(
            Block(width, heads, ratio, qkv_bias=True, norm_layer=norm_layer) for _ in layers
        )
        self.decoder_norm = norm_layer(width)
        self.decoder_pred = nn.Linear(width, patch**2 * bands, bias=bias)

    def forward(self, x: Tensor, ids_restore: Tensor) -> Tensor:
        """Return the image `(B, C, H, W)`.

        Args:
            x: Class token and visible tokens `(B, 1 + visible, D)`.
            ids_restore: For each patch of the image its place among the tokens `(B, patches)`.
        """
        tokens = self.decoder_embed(x)
        hidden = ids_restore.shape[1] + 1 - tokens.shape[1]
        masked = self.mask_token.expand(tokens.shape[0], hidden, -1)
        patches = torch.cat([tokens[:, 1:], masked], dim=1)
        order = ids_restore[..., None].expand(-1, -1, tokens.shape[-1])
        tokens = torch.cat([tokens[:, :1], patches.gather(1, order)], dim=1)
        return self._rebuild(tokens + self.decoder_pos_embed)

    def _rebuild(self, tokens: Tensor) -> Tensor:
        for block in self.decoder_blocks:
            tokens = block(tokens)
        pixels = self.decoder_pred(self.decoder_norm(tokens))[:, 1:]
        side = math.isqrt(pixels.shape[1])
        grid = pixels.unflatten(1, (side, -1)).unflatten(
            -1, (self.patch_size, self.patch_size, self.in_chans)
        )
        return grid.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


class SatMAEHeadViT(SatMAEHead):
    """Rebuild images from all their tokens, one tensor `(1 + patches, D)` for each image.

    The tokens know their positions already, so that none are added.
    """

    def forward(self, x: list[Tensor]) -> Tensor:  # type: ignore[override] # no tokens are hidden
        """Return the images `(B, C, H, W)`."""
        return self._rebuild(self.decoder_embed(torch.stack(list(x))))


def _given(name: str, value: Number | None) -> Number:
    if not isinstance(value, (int, float)):
        raise ConfigurationError(
            f"SatMAEHead.{name}",
            "is missing" if value is None else f"is {value!r}",
            "Give a number; this decoder is built on its own, not by EncoderDecoderFactory.",
        )
    return value
