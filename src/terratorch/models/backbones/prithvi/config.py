"""Sizes and options of a Prithvi, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from terratorch.contracts.features import Feature, FeatureKind, Features
from terratorch.errors import ConfigurationError, did_you_mean

Coordinates = Literal["time", "location"]
_FACTS = {"time": "temporal_coords", "location": "location_coords"}


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes and options of the encoder.

    Attributes:
        img_size: Side in pixels, or height and width, of the position table; it is resampled for
            other images.
        patch_size: Patch along time, height and width.
        num_frames: Time steps of the input.
        embed_dim: Channels of a token, a multiple of 16.
        depth: Number of layers.
        num_heads: Heads of the attention.
        mlp_ratio: Hidden channels of the MLP as a multiple of `embed_dim`.
        coords_encoding: Whether `time` and `location` are added to the tokens.
        coords_scale_learn: Whether the scale of those is trained.
        drop_path: Probability of dropping a residual branch in training, the same in all layers.
        vpt: Whether trainable prompt tokens are added in each layer (visual prompt tuning,
            arXiv:2203.12119).
        vpt_n_tokens: Number of prompt tokens a layer.
        vpt_dropout: Dropout of the prompt tokens.
    """

    img_size: int | Sequence[int] = 224
    patch_size: int | Sequence[int] = (1, 16, 16)
    num_frames: int = 1
    embed_dim: int = 1024
    depth: int = 24
    num_heads: int = 16
    mlp_ratio: float = 4.0
    coords_encoding: Sequence[Coordinates] = ()
    coords_scale_learn: bool = False
    drop_path: float = 0.0
    vpt: bool = False
    vpt_n_tokens: int = 100
    vpt_dropout: float = 0.0

    def __post_init__(self) -> None:
        for coordinate in self.coords_encoding or ():
            if coordinate not in _FACTS:
                raise ConfigurationError(
                    "coords_encoding",
                    f"'{coordinate}' is not an encoding",
                    did_you_mean(str(coordinate), _FACTS) or f"Known: {', '.join(_FACTS)}.",
                )
        if self.embed_dim % 16 or self.embed_dim % self.num_heads:
            raise ConfigurationError(
                "embed_dim",
                f"{self.embed_dim}, with num_heads {self.num_heads}",
                "It must be a multiple of 16 and of num_heads.",
            )
        if min(self.grid) < 1:
            raise ConfigurationError(
                "patch_size",
                f"{list(self.patch)} is larger than the input of {self.num_frames} frames of "
                f"{' x '.join(map(str, self.image))} pixels",
                "Give a smaller patch_size, or a larger img_size or num_frames.",
            )

    @property
    def image(self) -> tuple[int, int]:
        """Height and width."""
        height, width = _sizes("img_size", self.img_size, 2)
        return height, width

    @property
    def patch(self) -> tuple[int, int, int]:
        """Patch along time, height, width."""
        frames, rows, columns = _sizes("patch_size", self.patch_size, 3)
        return frames, rows, columns

    @property
    def grid(self) -> tuple[int, int, int]:
        """Patches along time, height, width."""
        (frames, rows, columns), (height, width) = self.patch, self.image
        return self.num_frames // frames, height // rows, width // columns

    @property
    def facts(self) -> tuple[str, ...]:
        """The inputs other than images: the coordinates that are encoded."""
        return tuple(_FACTS[coordinate] for coordinate in self.coords_encoding or ())

    def features(self, layers: Sequence[int]) -> Features:
        """Return what the encoder returns for layers: tokens, class token first, time-major."""
        _, rows, columns = self.patch
        token = Feature(
            self.embed_dim,
            FeatureKind.TOKENS,
            stride=rows if rows == columns else None,
            prefix_tokens=1,
            frames=self.grid[0],
        )
        return (token,) * len(layers)


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes and options of the decoder of the masked autoencoder.

    Attributes:
        decoder_embed_dim: Channels of a token, a multiple of 16.
        decoder_depth: Number of layers.
        decoder_num_heads: Heads of the attention.
        mask_ratio: Share of the patches that are hidden.
        norm_pix_loss: Whether the loss is on patches of zero mean and unit variance.
    """

    decoder_embed_dim: int = 512
    decoder_depth: int = 8
    decoder_num_heads: int = 16
    mask_ratio: float = 0.75
    norm_pix_loss: bool = False


def _sizes(name: str, value: int | Sequence[int], count: int) -> tuple[int, ...]:
    """Return one size for each side; a missing patch along time is 1."""
    sizes = (value,) * 2 if isinstance(value, int) else tuple(value)
    if len(sizes) == count - 1:
        sizes = (1, *sizes)
    if len(sizes) != count or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ConfigurationError(
            name, f"{value!r}", f"Give one size, or {count} sizes, in pixels, all above 0."
        )
    return sizes
