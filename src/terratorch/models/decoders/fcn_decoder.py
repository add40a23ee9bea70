"""The fully convolutional decoder."""

from __future__ import annotations

from torch import Tensor, nn

from terratorch.contracts.features import MAPS
from terratorch.models.arguments import check_index
from terratorch.models.decoders.base import Decoder
from terratorch.ops.modules import ChannelNorm
from terratorch.registry import TERRATORCH_DECODER_REGISTRY


@TERRATORCH_DECODER_REGISTRY.register
class FCNDecoder(Decoder):
    """Double the size of one map several times with transposed convolutions.

    Args:
        embed_dim: Channels of each map.
        channels: Channels of every step.
        num_convs: Steps: the map grows by 2 to this power.
        in_index: Which map.
    """

    needs = MAPS

    def __init__(
        self, embed_dim: list[int], channels: int = 256, num_convs: int = 4, in_index: int = -1
    ) -> None:
        super().__init__()
        self.in_index = check_index(in_index, len(embed_dim), "decoder_in_index")
        self.out_channels = channels if num_convs else embed_dim[in_index]
        widths = [embed_dim[in_index], *[channels] * num_convs]
        self.convs = nn.Sequential(*(_step(width, channels) for width in widths[:-1]))

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return the map `(B, channels, H * 2**num_convs, W * 2**num_convs)`."""
        decoded: Tensor = self.convs(x[self.in_index])
        return decoded


def _step(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, channels, kernel_size=2, stride=2),
        nn.Conv2d(channels, channels, kernel_size=3, padding=1),
        ChannelNorm(channels),
        nn.GELU(),
    )
