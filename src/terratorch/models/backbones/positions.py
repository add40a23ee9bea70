"""Fixed sine-cosine encodings of positions (Vaswani et al. 2017, arXiv:1706.03762)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from terratorch.errors import ConfigurationError

Grid = tuple[int, int, int]  # patches along time, height, width


def sincos_1d(positions: Tensor, dim: int) -> Tensor:
    """Encode positions `(...)` as `(..., dim)`: all sines, then all cosines, in their own dtype."""
    steps = torch.arange(dim // 2, dtype=positions.dtype, device=positions.device)
    angles = positions[..., None] * 10000.0 ** (-steps / (dim / 2))
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def get_3d_sincos_pos_embed(
    embed_dim: int,
    grid_size: Sequence[int],
    add_cls_token: bool = False,
    device: torch.device | None = None,
) -> Tensor:
    """Encode the cells of a grid: 6/16 of the channels for the width, 6/16 height, 4/16 time.

    Args:
        embed_dim: Channels, a multiple of 16.
        grid_size: Patches along time, height and width.
        add_cls_token: Whether a row of zeros for the class token comes first.
        device: Where to compute it; by default torch's default device.

    Returns:
        Float64 `(T*H*W, embed_dim)`, or one more row; time is the slowest index, then height.

    Raises:
        ConfigurationError: If `embed_dim` is not a multiple of 16.
    """
    if embed_dim % 16:
        raise ConfigurationError("embed_dim", f"{embed_dim}", "It must be a multiple of 16.")
    axes = [torch.arange(size, dtype=torch.float64, device=device) for size in grid_size]
    t, h, w = (axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij"))
    sixteenth = embed_dim // 16
    table = torch.cat(
        [
            sincos_1d(w, 6 * sixteenth),
            sincos_1d(h, 6 * sixteenth),
            sincos_1d(t, 4 * sixteenth),
        ],
        dim=1,
    )
    return F.pad(table, (0, 0, 1, 0)) if add_cls_token else table


def resample_positions(table: Tensor, built: Grid, grid: Grid) -> Tensor:
    """Return a position table for another grid than that of construction.

    Other frames are encoded again; height and width are resampled bicubically, corners aligned.

    Args:
        table: Encodings `(1, 1 + T*H*W, D)` of the grid of construction, class token first.
        built: The grid of construction.
        grid: The grid of the input.

    Returns:
        Encodings `(1, 1 + T'*H'*W', D)`.
    """
    if built == grid:
        return table
    dim = table.shape[-1]
    class_row, patches = table[:, :1], table[0, 1:].float()
    if built[0] != grid[0]:
        other = (grid[0], *built[1:])
        patches = get_3d_sincos_pos_embed(dim, other, device=table.device).float()
    if built[1:] != grid[1:]:
        maps = patches.reshape(grid[0], *built[1:], dim).permute(0, 3, 1, 2)
        maps = F.interpolate(maps, size=grid[1:], mode="bicubic", align_corners=True)
        patches = maps.permute(0, 2, 3, 1).reshape(-1, dim)
    return torch.cat([class_row, patches[None].to(table.dtype)], dim=1)
