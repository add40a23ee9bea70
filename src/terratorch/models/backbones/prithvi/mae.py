"""The masked autoencoder (He et al. 2022, arXiv:2111.06377) that the encoder was trained in."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from terratorch.models.backbones.positions import (
    Grid,
    get_3d_sincos_pos_embed,
    resample_positions,
)
from terratorch.models.backbones.prithvi.config import DecoderConfig
from terratorch.models.backbones.prithvi.coordinates import (
    CoordinateEncoder,
    encode_coordinates,
)
from terratorch.models.backbones.prithvi.encoder import PrithviViT
from terratorch.models.backbones.vit import Block, init_linear_and_norm


class Masking(NamedTuple):
    """Which patches the encoder sees.

    Attributes:
        kept: Positions of the patches that are seen `(B, K)`.
        restore: Position of each patch in the shuffled order `(B, L)`.
        mask: `(B, L)`, 1 for hidden patches.
    """

    kept: Tensor
    restore: Tensor
    mask: Tensor


def random_masking(patches: Tensor, ratio: float) -> Masking:
    """Hide a random share of the patches `(B, L, D)` of each sample."""
    batch, length, _ = patches.shape
    noise = torch.rand(batch, length, device=patches.device)
    order = noise.argsort(dim=1)
    restore = order.argsort(dim=1)
    count = int(length * (1 - ratio))
    return Masking(order[:, :count], restore, (restore >= count).to(patches.dtype))


def gather_tokens(tokens: Tensor, indices: Tensor) -> Tensor:
    """Return the tokens `(B, N, D)` at positions `(B, K)` of each sample."""
    return tokens.gather(1, indices[..., None].expand(-1, -1, tokens.shape[-1]))


class MAEDecoder(nn.Module):
    """Reconstruct the pixels of all patches from the tokens of those that were seen.

    Args:
        encoder: The encoder that it belongs to, for its sizes.
        config: Sizes of the decoder.
    """

    def __init__(self, encoder: PrithviViT, config: DecoderConfig) -> None:
        super().__init__()
        dim, sizes = config.decoder_embed_dim, encoder.config
        self.grid = sizes.grid
        self.decoder_embed = nn.Linear(sizes.embed_dim, dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        positions = get_3d_sincos_pos_embed(dim, self.grid, add_cls_token=True)
        self.decoder_pos_embed: Tensor
        self.register_buffer("decoder_pos_embed", positions.float()[None])
        learn = sizes.coords_scale_learn
        self.temporal_embed_dec = (
            CoordinateEncoder(dim, learn) if "temporal_coords" in sizes.facts else None
        )
        self.location_embed_dec = (
            CoordinateEncoder(dim, learn) if "location_coords" in sizes.facts else None
        )
        self.decoder_blocks = nn.ModuleList(
            Block(dim, config.decoder_num_heads, sizes.mlp_ratio)
            for _ in range(config.decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(dim)
        frames, rows, columns = sizes.patch
        self.decoder_pred = nn.Linear(dim, frames * rows * columns * encoder.in_chans)
        nn.init.normal_(self.mask_token, std=0.02)
        self.apply(init_linear_and_norm)

    def forward(
        self,
        latent: Tensor,
        restore: Tensor,
        grid: Grid,
        temporal_coords: Tensor | None = None,
        location_coords: Tensor | None = None,
    ) -> Tensor:
        """Reconstruct patches `(B, L, pixels)`.

        Args:
            latent: Class token and tokens of the seen patches `(B, 1 + K, D)`.
            restore: Position of each patch in the shuffled order `(B, L)`.
            grid: Patches along time, height, width.
            temporal_coords: As the encoder takes them.
            location_coords: As the encoder takes them.
        """
        tokens = self.decoder_embed(latent)
        hidden = restore.shape[1] + 1 - tokens.shape[1]
        masks = self.mask_token.to(tokens.dtype).expand(tokens.shape[0], hidden, -1)
        patches = gather_tokens(torch.cat([tokens[:, 1:], masks], dim=1), restore)
        positions = resample_positions(self.decoder_pos_embed, self.grid, grid)
        patches = encode_coordinates(
            patches + positions[:, 1:],
            grid[0],
            self.temporal_embed_dec,
            self.location_embed_dec,
            temporal_coords,
            location_coords,
        )
        tokens = torch.cat([tokens[:, :1] + positions[:, :1], patches], dim=1)
        for block in self.decoder_blocks:
            tokens = block(tokens)
        return self.decoder_pred(self.decoder_norm(tokens))[:, 1:]


class PrithviMAE(nn.Module):
    """Prithvi-EO with its decoder: hides patches and reconstructs them.

    Args:
        encoder: The encoder.
        config: Sizes and options of the decoder.
    """

    def __init__(self, encoder: PrithviViT, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.decoder = MAEDecoder(encoder, config)
        self.out_channels = encoder.out_channels

    def patchify(self, images: Tensor) -> Tensor:
        """Cut time series `(B, C, T, H, W)` into patches `(B, L, t*h*w*C)`, bands fastest."""
        batch, bands = images.shape[:2]
        (pt, ph, pw), (t, h, w) = self.encoder.patch_size, self.encoder.patch_embed.grid_of(images)
        cells = images[:, :, : t * pt, : h * ph, : w * pw]
        cells = cells.reshape(batch, bands, t, pt, h, ph, w, pw)
        return cells.permute(0, 2, 4, 6, 3, 5, 7, 1).reshape(batch, t * h * w, -1)

    def unpatchify(self, patches: Tensor, grid: Grid) -> Tensor:
        """Put patches `(B, L, t*h*w*C)` together to time series `(B, C, T, H, W)`."""
        batch = patches.shape[0]
        (pt, ph, pw), (t, h, w) = self.encoder.patch_size, grid
        cells = patches.reshape(batch, t, h, w, pt, ph, pw, -1).permute(0, 7, 1, 4, 2, 5, 3, 6)
        return cells.reshape(batch, -1, t * pt, h * ph, w * pw)

    def forward_loss(self, images: Tensor, predicted: Tensor, mask: Tensor) -> Tensor:
        """Return the mean squared error over the hidden patches.

        Args:
            images: The input `(B, C, T, H, W)`.
            predicted: The reconstruction as patches `(B, L, pixels)`.
            mask: `(B, L)`, 1 for hidden patches.
        """
        target = self.patchify(images)
        if self.config.norm_pix_loss:
            mean, variance = target.mean(-1, keepdim=True), target.var(-1, keepdim=True)
            target = (target - mean) / (variance + 1e-6).sqrt()
        error = (predicted - target).square().mean(dim=-1)
        return (error * mask).sum() / mask.sum().clamp(min=1)

    def forward(
        self,
        pixel_values: Tensor,
        temporal_coords: Tensor | None = None,
        location_coords: Tensor | None = None,
        mask_ratio: float | None = None,
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Hide patches, reconstruct them, and compare.

        Args:
            pixel_values: Images `(B, C, H, W)` of one time step, or time series `(B, C, T, H, W)`.
            temporal_coords: Year and day of year (0 to 364) of each time step `(B, T, 2)`.
            location_coords: Latitude and longitude in degrees `(B, 2)`.
            mask_ratio: Share of the patches to hide, by default that of the configuration.

        Returns:
            `{"loss": ...}`, the reconstruction of the shape of the input, and the mask
            `(B, H, W)` or `(B, T, H, W)`, which is 1 for hidden pixels.
        """
        ratio = self.config.mask_ratio if mask_ratio is None else mask_ratio
        patches, grid = self.encoder.embed(pixel_values, temporal_coords, location_coords)
        masking = random_masking(patches, ratio)
        seen = self.encoder.prepend_class_token(gather_tokens(patches, masking.kept))
        latent = self.encoder.encode(seen)
        predicted = self.decoder(latent, masking.restore, grid, temporal_coords, location_coords)

        series = pixel_values if pixel_values.ndim == 5 else pixel_values.unsqueeze(2)
        loss = self.forward_loss(series, predicted, masking.mask)
        pixels = masking.mask[..., None].expand(-1, -1, predicted.shape[-1])
        reconstruction, mask = self.unpatchify(predicted, grid), self.unpatchify(pixels, grid)[:, 0]
        if pixel_values.ndim == 4:
            reconstruction, mask = reconstruction.squeeze(2), mask.squeeze(1)
        return {"loss": loss}, reconstruction, mask
