"""The decoder that returns a feature unchanged."""

from __future__ import annotations

from torch import Tensor

from terratorch.contracts.features import MAPS_OR_VECTORS
from terratorch.models.arguments import check_index
from terratorch.models.decoders.base import Decoder
from terratorch.registry import TERRATORCH_DECODER_REGISTRY


@TERRATORCH_DECODER_REGISTRY.register
class IdentityDecoder(Decoder):
    """Return one feature unchanged.

    Args:
        embed_dim: Channels of each feature.
        out_index: Which feature.
    """

    needs = MAPS_OR_VECTORS

    def __init__(self, embed_dim: list[int], out_index: int = -1) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.out_index = check_index(out_index, len(embed_dim), "decoder_out_index")
        self.out_channels = embed_dim[out_index]

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return the feature."""
        return x[self.out_index]
