"""The head of pixel-wise regression."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from terratorch.errors import ConfigurationError
from terratorch.models.heads.pieces import dropout as dropout_layer
from terratorch.ops.modules import activation


class PixelShuffleUpscale(nn.Module):
    """Double the size of maps by rearranging channels (Shi et al. 2016, arXiv:1609.05158).

    Args:
        channels: Channels that come in and go out.
        batch_norm: Normalise the result over the batch.
    """

    def __init__(self, channels: int, batch_norm: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4 * channels, kernel_size=3, padding=1)
        self.shuffle = nn.PixelShuffle(2)
        self.bn = nn.BatchNorm2d(channels) if batch_norm else nn.Identity()
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of twice the size."""
        enlarged: Tensor = self.act(self.bn(self.shuffle(self.conv(x))))
        return enlarged


class RegressionHead(nn.Module):
    """Give values `(B, outputs, H, W)` of maps `(B, C, H, W)`.

    Args:
        in_channels: Channels of the maps.
        num_outputs: Variables to predict.
        final_act: An activation of the values: a module, or the name of one in `torch.nn`.
        learned_upscale_layers: How many times to double the size of the maps first.
        channel_list: Channels of 3 x 3 convolutions before the last, 1 x 1.
        batch_norm: Normalise after each of these and of the upscaling layers.
        dropout: Ratio of channels that are dropped before the last convolution.
    """

    def __init__(
        self,
        in_channels: int,
        num_outputs: int = 1,
        final_act: nn.Module | str | None = None,
        learned_upscale_layers: int = 0,
        channel_list: list[int] | None = None,
        batch_norm: bool = True,
        dropout: float = 0,
    ) -> None:
        super().__init__()
        if num_outputs < 1:
            raise ConfigurationError("num_outputs", f"is {num_outputs}", "Give 1 or more.")
        upscale = [
            PixelShuffleUpscale(in_channels, batch_norm) for _ in range(learned_upscale_layers)
        ]
        widths = [in_channels, *(channel_list or [])]
        before = [_conv_block(wide, narrow, batch_norm) for wide, narrow in pairwise(widths)]
        # Steps that are not wanted have no place in the sequence: weights are stored by position.
        steps: list[nn.Module] = [nn.Sequential(*step) for step in (upscale, before) if step]
        steps.append(dropout_layer(dropout))
        steps.append(nn.Conv2d(widths[-1], num_outputs, kernel_size=1))
        if final_act is not None:
            steps.append(activation(final_act, "head_final_act"))
        self.head = nn.Sequential(*steps)

    def forward(self, x: Tensor) -> Tensor:
        """Return the values."""
        values: Tensor = self.head(x)
        return values


def _conv_block(in_channels: int, out_channels: int, batch_norm: bool) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=not batch_norm)
    norm = [nn.BatchNorm2d(out_channels)] if batch_norm else []
    return nn.Sequential(conv, *norm, nn.ReLU())
