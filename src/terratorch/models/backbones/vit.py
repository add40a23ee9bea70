"""Blocks of a vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929), pre-normalised.

Parameter names are those of timm's `Block`, which published weights use.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class DropPath(nn.Module):
    """Drop the whole branch of a sample at random (stochastic depth, arXiv:1603.09382).

    Args:
        rate: Probability of dropping, in [0, 1).
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return `x (B, ...)`, in training with some samples zero and the others scaled up."""
        if self.rate == 0.0 or not self.training:
            return x
        keep = x.new_empty((x.shape[0], *[1] * (x.ndim - 1))).bernoulli_(1.0 - self.rate)
        return x * keep / (1.0 - self.rate)


class Attention(nn.Module):
    """Multi-head self-attention.

    Args:
        dim: Channels of a token.
        num_heads: Heads; they divide `dim`.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Attend among tokens `(B, N, D)`."""
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, dim // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.proj(attended.transpose(1, 2).reshape(batch, tokens, dim))


class Mlp(nn.Module):
    """Two linear layers with a GELU between them.

    Args:
        dim: Channels of a token.
        hidden: Channels between the layers.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens `(B, N, D)` one by one."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """One transformer layer: attention and MLP, each with its norm before and a residual around.

    Args:
        dim: Channels of a token.
        num_heads: Heads of the attention.
        mlp_ratio: Hidden channels of the MLP as a multiple of `dim`.
        drop_path: Probability of dropping a residual branch in training.
        norm_eps: The epsilon of the layer norms.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=norm_eps)
        self.attn = Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=norm_eps)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens `(B, N, D)`."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


def init_linear_and_norm(module: nn.Module) -> None:
    """Initialise one module as masked autoencoders do (arXiv:2111.06377); for `Module.apply`."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
