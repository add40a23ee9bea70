"""The encoder: a vision transformer over patches of time, height and width."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from terratorch.bands import expand_bands
from terratorch.contracts.features import Features
from terratorch.errors import ConfigurationError, DataError
from terratorch.logs import warn_once
from terratorch.models.backbones.positions import (
    Grid,
    get_3d_sincos_pos_embed,
    resample_positions,
)
from terratorch.models.backbones.prithvi.config import EncoderConfig
from terratorch.models.backbones.prithvi.coordinates import (
    CoordinateEncoder,
    encode_coordinates,
)
from terratorch.models.backbones.vit import Block, init_linear_and_norm
from terratorch.models.inputs import ModelInput

logger = logging.getLogger(__name__)


class PatchEmbed(nn.Module):
    """Project patches of an image or time series to tokens.

    Args:
        in_chans: Bands.
        embed_dim: Channels of a token.
        patch_size: Patch along time, height, width.
    """

    def __init__(self, in_chans: int, embed_dim: int, patch_size: Grid) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv3d(in_chans, embed_dim, kernel_size=patch_size, stride=patch_size)
        nn.init.xavier_uniform_(self.proj.weight.view(embed_dim, -1))

    def grid_of(self, x: Tensor) -> Grid:
        """Return the patches of an input `(B, C, T, H, W)` along time, height, width."""
        t, h, w = (size // patch for size, patch in zip(x.shape[2:], self.patch_size, strict=True))
        return t, h, w

    def forward(self, x: Tensor) -> Tensor:
        """Embed `(B, C, T, H, W)` as tokens `(B, N, D)`; ignore a rest at the border."""
        if any(size % patch for size, patch in zip(x.shape[2:], self.patch_size, strict=True)):
            warn_once(
                logger,
                "The input of %s (time, height, width) is not a multiple of the patch %s: the rest "
                "at the border is not seen.",
                *(tuple(x.shape[2:]), self.patch_size),
                key=(*x.shape[2:], self.patch_size),
            )
        return self.proj(x).flatten(2).transpose(1, 2)


class PrithviViT(nn.Module):
    """The encoder of Prithvi-EO.

    Args:
        config: Sizes and options.
        bands: The bands of the input, in order: names, positions or intervals.
        out_indices: Layers whose tokens are returned, ascending; by default all.

    Attributes:
        out_channels: Channels of the features of *all* layers in image form, time folded in.
        features: What is returned.
    """

    def __init__(
        self,
        config: EncoderConfig,
        bands: Sequence[object],
        out_indices: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        dim = config.embed_dim
        self.config = config
        self.model_bands = expand_bands(bands)
        self.in_chans = len(self.model_bands)
        self.embed_dim = dim
        self.img_size, self.patch_size = config.image, config.patch
        self.out_indices = _layers(out_indices, config.depth)
        self.out_channels = [dim * config.grid[0]] * config.depth

        self.patch_embed = PatchEmbed(self.in_chans, dim, config.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        positions = get_3d_sincos_pos_embed(dim, config.grid, add_cls_token=True)
        self.pos_embed: Tensor
        self.register_buffer("pos_embed", positions.float()[None])
        learn = config.coords_scale_learn
        self.temporal_embed_enc = (
            CoordinateEncoder(dim, learn) if "temporal_coords" in config.facts else None
        )
        self.location_embed_enc = (
            CoordinateEncoder(dim, learn) if "location_coords" in config.facts else None
        )
        self.blocks = nn.ModuleList(
            Block(dim, config.num_heads, config.mlp_ratio, config.drop_path)
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(dim)
        nn.init.normal_(self.cls_token, std=0.02)
        self.apply(init_linear_and_norm)
        self.vpt_prompt_embeddings = _prompts(config) if config.vpt else None
        self.vpt_dropout = nn.Dropout(config.vpt_dropout)
        self._exclude_unread()

    @property
    def features(self) -> Features:
        """Tokens of the selected layers, class token first, time-major."""
        return self.config.features(self.out_indices)

    @property
    def inputs(self) -> tuple[ModelInput, ...]:
        """The coordinates that the model encodes."""
        return tuple(ModelInput(name, optional=True) for name in self.config.facts)

    def stop_after(self, index: int) -> None:
        """Compute no layer deeper than that of feature `index`; later features are not returned.

        The state dict stays the same. Parameters that are no longer used are not trained.
        """
        self.out_indices = self.out_indices[: index + 1]
        self._exclude_unread()

    def _exclude_unread(self) -> None:
        # Distributed training waits for the gradient of every parameter that is to be trained.
        deepest = self.out_indices[-1]
        for block in self.blocks[deepest + 1 :]:
            block.requires_grad_(False)
        if self.vpt_prompt_embeddings is not None:
            for prompt in list(self.vpt_prompt_embeddings)[deepest + 1 :]:
                prompt.requires_grad_(False)
        if deepest < len(self.blocks) - 1:
            self.norm.requires_grad_(False)

    def freeze(self) -> None:
        """Exclude all parameters but the prompt tokens from training."""
        for name, parameter in self.named_parameters():
            if not name.startswith("vpt_prompt_embeddings"):
                parameter.requires_grad_(False)

    def forward(
        self,
        x: Tensor,
        temporal_coords: Tensor | None = None,
        location_coords: Tensor | None = None,
    ) -> list[Tensor]:
        """Compute the features of the selected layers.

        Args:
            x: Images `(B, C, H, W)` of one time step, or time series `(B, C, T, H, W)`.
            temporal_coords: Year and day of year (0 to 364) of each time step `(B, T, 2)`.
            location_coords: Latitude and longitude in degrees `(B, 2)`.

        Returns:
            Tokens `(B, 1 + T*H*W, D)` of each selected layer; those of the last are normalised.
        """
        patches, _ = self.embed(x, temporal_coords, location_coords)
        tokens = self.prepend_class_token(patches)
        features = []
        for layer, block in enumerate(self.blocks[: self.out_indices[-1] + 1]):
            tokens = self._run(layer, block, tokens)
            if layer in self.out_indices:
                last = layer == len(self.blocks) - 1
                features.append(self.norm(tokens) if last else tokens)
        return features

    forward_features = forward

    def encode(self, tokens: Tensor) -> Tensor:
        """Run tokens `(B, N, D)` through all layers and the norm."""
        for layer, block in enumerate(self.blocks):
            tokens = self._run(layer, block, tokens)
        return self.norm(tokens)

    def _run(self, layer: int, block: nn.Module, tokens: Tensor) -> Tensor:
        """Run one layer, with its prompt tokens, if any, after the class token."""
        if self.vpt_prompt_embeddings is None:
            return block(tokens)
        prompts = self.vpt_dropout(self.vpt_prompt_embeddings[layer])
        prompts = prompts.expand(tokens.shape[0], -1, -1)
        tokens = block(torch.cat([tokens[:, :1], prompts, tokens[:, 1:]], dim=1))
        return torch.cat([tokens[:, :1], tokens[:, 1 + prompts.shape[1] :]], dim=1)

    def embed(
        self,
        x: Tensor,
        temporal_coords: Tensor | None = None,
        location_coords: Tensor | None = None,
    ) -> tuple[Tensor, Grid]:
        """Embed an input as patch tokens `(B, N, D)` with their positions, time and location.

        Returns:
            The tokens, without class token, and their grid.
        """
        x = self._with_time(x)
        grid = self.patch_embed.grid_of(x)
        positions = resample_positions(self.pos_embed, self.config.grid, grid)
        patches = self.patch_embed(x) + positions[:, 1:]
        self._mention_unread(temporal_coords, location_coords)
        patches = encode_coordinates(
            patches,
            grid[0],
            self.temporal_embed_enc,
            self.location_embed_enc,
            temporal_coords,
            location_coords,
        )
        return patches, grid

    def prepend_class_token(self, patches: Tensor) -> Tensor:
        """Put the class token before patch tokens `(B, N, D)`."""
        token = (self.cls_token + self.pos_embed[:, :1]).to(patches.dtype)
        return torch.cat([token.expand(patches.shape[0], -1, -1), patches], dim=1)

    def _with_time(self, x: Tensor) -> Tensor:
        """Return `x` as `(B, C, T, H, W)`; raise a `DataError` for other shapes."""
        if x.ndim == 4 and self.config.num_frames == 1:
            x = x.unsqueeze(2)
        if x.ndim != 5:
            frames = self.config.num_frames
            expected = "(B, C, H, W)" if frames == 1 else f"(B, C, {frames}, H, W)"
            raise DataError(
                "image",
                f"has the shape {tuple(x.shape)}",
                f"The backbone was built with num_frames={frames} and expects {expected}.",
            )
        if x.shape[1] != self.in_chans:
            raise DataError(
                "image",
                f"has {x.shape[1]} bands",
                f"The backbone was built for {self.in_chans}: "
                f"{', '.join(map(str, self.model_bands))}.",
            )
        return x

    def _mention_unread(self, temporal: Tensor | None, location: Tensor | None) -> None:
        for name, coordinates, encoder in (
            ("temporal_coords", temporal, self.temporal_embed_enc),
            ("location_coords", location, self.location_embed_enc),
        ):
            if coordinates is not None and encoder is None:
                warn_once(
                    logger,
                    "%s are in the data, but this backbone has no encoding of them: not used.",
                    name,
                    key=name,
                )

    def prepare_features_for_image_model(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Turn tokens `(B, 1 + T*H*W, D)` into maps `(B, T*D, H, W)`, time-major.

        The grid has the proportions of `img_size`.
        """
        frames = self.config.grid[0]
        _, rows, columns = self.config.grid
        maps = []
        for tokens in features:
            batch, count, dim = tokens.shape
            cells = (count - 1) // frames
            height = round(math.sqrt(cells * rows / columns))
            shaped = tokens[:, 1:].reshape(batch, frames, height, cells // height, dim)
            maps.append(shaped.permute(0, 1, 4, 2, 3).flatten(1, 2).contiguous())
        return maps


def _layers(indices: Sequence[int] | None, depth: int) -> tuple[int, ...]:
    """Return the selected layers, counted from the first."""
    if indices is None:
        return tuple(range(depth))
    layers = tuple(index + depth if index < 0 else index for index in indices)
    if not layers or list(layers) != sorted(set(layers)):
        raise ConfigurationError(
            "out_indices", f"{list(indices)}", "Give the layers once each, in ascending order."
        )
    if layers[0] < 0 or layers[-1] >= depth:
        raise ConfigurationError(
            "out_indices",
            f"{list(indices)}, but the backbone has {depth} layers",
            f"Layers count from 0 to {depth - 1}.",
        )
    return layers


def _prompts(config: EncoderConfig) -> nn.ParameterList:
    """Return prompt tokens `(1, n, D)` for each layer, initialised as in arXiv:2203.12119."""
    limit = math.sqrt(6.0 / (3 * math.prod(config.patch) + config.embed_dim))
    shape = (1, config.vpt_n_tokens, config.embed_dim)
    return nn.ParameterList(
        nn.Parameter(torch.empty(shape).uniform_(-limit, limit)) for _ in range(config.depth)
    )
