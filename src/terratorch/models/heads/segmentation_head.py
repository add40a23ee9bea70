"""The head of segmentation."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from terratorch.models.heads.pieces import dropout as dropout_layer


class SegmentationHead(nn.Module):
    """Give logits `(B, classes, H, W)` of maps `(B, C, H, W)`.

    Args:
        in_channels: Channels of the maps.
        num_classes: Classes.
        channel_list: Channels of 3 x 3 convolutions before the last, 1 x 1.
        dropout: Ratio of channels that are dropped before the last convolution.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channel_list: list[int] | None = None,
        dropout: float = 0,
    ) -> None:
        super().__init__()
        widths = [in_channels, *(channel_list or [])]
        before = [
            nn.Sequential(nn.Conv2d(wide, narrow, kernel_size=3, padding=1), nn.ReLU())
            for wide, narrow in pairwise(widths)
        ]
        self.head = nn.Sequential(
            nn.Sequential(*before) if before else nn.Identity(),
            dropout_layer(dropout),
            nn.Conv2d(widths[-1], num_classes, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.head(x)
        return logits
