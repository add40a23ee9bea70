"""The head of classification and of regression of whole images."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from terratorch.errors import ConfigurationError
from terratorch.models.heads.pieces import dropout as dropout_layer


class ScalarHead(nn.Module):
    """Give one row `(B, outputs)` for each image of `(B, C)`, `(B, C, N)` or `(B, C, H, W)`.

    Args:
        in_dim: Channels of the features.
        num_outputs: Variables to predict; or
        num_classes: Classes to predict.
        dim_list: Widths of hidden layers.
        dropout: Ratio of channels that are dropped before the last layer.
        linear_after_pool: Average over the positions before the layers, not after them.
    """

    def __init__(
        self,
        in_dim: int,
        num_outputs: int | None = None,
        num_classes: int | None = None,
        dim_list: list[int] | None = None,
        dropout: float = 0,
        linear_after_pool: bool = False,
    ) -> None:
        super().__init__()
        outputs = num_outputs if num_classes is None else num_classes
        if outputs is None or (num_outputs is not None and num_classes is not None):
            seen = "neither" if outputs is None else "both"
            raise ConfigurationError(
                "head: num_outputs, num_classes", f"{seen} given", "Give one of the two."
            )
        self.num_outputs = outputs
        self.linear_after_pool = linear_after_pool
        widths = [in_dim, *(dim_list or [])]
        before = [
            nn.Sequential(nn.Linear(wide, narrow), nn.ReLU()) for wide, narrow in pairwise(widths)
        ]
        self.head = nn.Sequential(
            nn.Sequential(*before) if before else nn.Identity(),
            dropout_layer(dropout),
            nn.Linear(widths[-1], outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs."""
        positions = x.flatten(2) if x.ndim > 2 else x.unsqueeze(-1)
        outputs: Tensor
        if self.linear_after_pool:
            outputs = self.head(positions.mean(-1))
        else:
            outputs = self.head(positions.transpose(1, 2)).mean(1)
        return outputs


class ClassificationHead(ScalarHead):
    """The name of `ScalarHead` in classification: logits `(B, classes)`."""
