"""The decoder that is one linear layer."""

from __future__ import annotations

from torch import Tensor, nn

from terratorch.contracts.features import MAPS
from terratorch.models.arguments import check_index
from terratorch.models.decoders.base import Decoder
from terratorch.registry import TERRATORCH_DECODER_REGISTRY


@TERRATORCH_DECODER_REGISTRY.register
class LinearDecoder(Decoder):
    """Predict the pixels of each patch from its feature, as a linear probe does.

    Its output is the prediction. A model whose `decoder_num_classes` is given has a head behind it.

    Args:
        embed_dim: Channels of each map.
        num_classes: Classes, or variables, to predict.
        upsampling_size: Side of a patch in pixels.
        in_index: Which map.
    """

    needs = MAPS
    includes_head = True

    def __init__(
        self, embed_dim: list[int], num_classes: int, upsampling_size: int, in_index: int = -1
    ) -> None:
        super().__init__()
        self.in_index = check_index(in_index, len(embed_dim), "decoder_in_index")
        self.out_channels = num_classes
        self.conv = nn.ConvTranspose2d(
            embed_dim[in_index], num_classes, kernel_size=upsampling_size, stride=upsampling_size
        )

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return the prediction `(B, num_classes, H * upsampling_size, W * upsampling_size)`."""
        predicted: Tensor = self.conv(x[self.in_index])
        return predicted
