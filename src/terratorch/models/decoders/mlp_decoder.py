"""The decoder that mixes the channels of all features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from terratorch.contracts.features import MAPS_OR_VECTORS, Needs
from terratorch.errors import ConfigurationError
from terratorch.models.arguments import check_index
from terratorch.models.decoders.base import Decoder
from terratorch.ops.modules import activation as build_activation
from terratorch.registry import TERRATORCH_DECODER_REGISTRY


@TERRATORCH_DECODER_REGISTRY.register
class MLPDecoder(Decoder):
    """Join all features and mix their channels with one hidden layer.

    Args:
        embed_dim: Channels of each feature.
        channels: Kept for old configurations: the width follows from `out_index`.
        out_dim: Likewise.
        activation: Name of a module in `torch.nn`.
        out_index: The feature whose channels the output has.
    """

    needs = Needs(MAPS_OR_VECTORS.kinds, one_size=True)

    def __init__(
        self,
        embed_dim: list[int],
        channels: int = 100,
        out_dim: int = 100,
        activation: str = "ReLU",
        out_index: int = -1,
    ) -> None:
        super().__init__()
        check_index(out_index, len(embed_dim), "decoder_out_index")
        for name, value in (("channels", channels), ("out_dim", out_dim)):
            if value not in (100, embed_dim[out_index]):
                raise ConfigurationError(
                    f"decoder_{name}",
                    f"is {value}, but MLPDecoder gives the {embed_dim[out_index]} channels of "
                    f"feature {out_index}",
                    "Remove it, or choose another decoder_out_index.",
                )
        self.out_channels = embed_dim[out_index]
        self.hidden_layer = nn.Linear(sum(embed_dim), self.out_channels)
        self.activation = build_activation(activation, "decoder_activation")

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return a map `(B, C, H, W)` of maps of one size, or a vector `(B, C)` of vectors."""
        joined = torch.cat(x, dim=1).movedim(1, -1)
        mixed: Tensor = self.activation(self.hidden_layer(joined))
        return mixed.movedim(-1, 1)
