"""The sizes of a Prithvi: one checked object, from what people write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from terratorch.errors import ConfigurationError, did_you_mean

Coordinates = Literal["time", "location"]


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes and options of the encoder.

    Attributes:
        img_size: Pixels of a side that the positions are laid out for, or height and width; other
            sizes are resampled.
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
        for name, count in (("img_size", 2), ("patch_size", 3)):
            object.__setattr__(self, name, _sizes(name, getattr(self, name), count))
        object.__setattr__(self, "coords_encoding", tuple(self.coords_encoding or ()))
        for coordinate in self.coords_encoding:
            if coordinate not in get_args(Coordinates):
                known = get_args(Coordinates)
                raise ConfigurationError(
                    "coords_encoding",
                    f"'{coordinate}' is not an encoding",
                    did_you_mean(str(coordinate), known) or f"Known are: {', '.join(known)}.",
                )
        self._check_divisions()

    def _check_divisions(self) -> None:
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
        assert not isinstance(self.img_size, int)
        return self.img_size[0], self.img_size[1]

    @property
    def patch(self) -> tuple[int, int, int]:
        """Patch along time, height, width."""
        assert not isinstance(self.patch_size, int)
        return self.patch_size[0], self.patch_size[1], self.patch_size[2]

    @property
    def grid(self) -> tuple[int, int, int]:
        """Patches along time, height, width."""
        (frames, rows, columns), (height, width) = self.patch, self.image
        return self.num_frames // frames, height // rows, width // columns


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
    """Write one size for all sides; the patch along time is then 1."""
    sizes = (value,) * 2 if isinstance(value, int) else tuple(value)
    if len(sizes) == count - 1:
        sizes = (1, *sizes)
    if len(sizes) != count or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ConfigurationError(
            name, f"{value!r}", f"Give one size, or {count} sizes, in pixels, all above 0."
        )
    return sizes
