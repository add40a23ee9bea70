"""A convolution with its normalisation and activation."""

from __future__ import annotations

from torch import Tensor, nn


class ConvModule(nn.Module):
    """A convolution without bias, batch normalisation and ReLU.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        kernel_size: Side of the kernel.
        padding: Padding on each side.
        dilation: Spacing of the points of the kernel.
        inplace: Overwrite the normalised map with its activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        padding: int = 0,
        dilation: int = 1,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, 1, padding, dilation, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels)
        self.act = nn.ReLU(inplace=inplace)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map."""
        activated: Tensor = self.act(self.norm(self.conv(x)))
        return activated
