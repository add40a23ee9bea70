"""The decoder of the U-Net."""

from __future__ import annotations

from torch import Tensor

from terratorch.contracts.features import PYRAMID
from terratorch.errors import ConfigurationError
from terratorch.models.decoders.base import Decoder
from terratorch.registry import TERRATORCH_DECODER_REGISTRY


@TERRATORCH_DECODER_REGISTRY.register
class UNetDecoder(Decoder):
    """Upsample from the coarsest map to the finest, joined with each on the way.

    The U-Net of Ronneberger et al. (2015, arXiv:1505.04597), with the blocks of
    segmentation-models-pytorch.

    Args:
        embed_dim: Channels of each map, the finest first.
        channels: Channels of each block, the coarsest first; as many as there are maps.
        use_batchnorm: The normalisation, as segmentation-models-pytorch takes it: `batchnorm`,
            `layernorm`, `instancenorm`, `inplace`, a dictionary, or whether to normalise.
        attention_type: `scse`, or none.
    """

    needs = PYRAMID

    def __init__(
        self,
        embed_dim: list[int],
        channels: list[int],
        use_batchnorm: bool | str | dict[str, object] = "batchnorm",
        attention_type: str | None = None,
    ) -> None:
        super().__init__()
        if len(embed_dim) != len(channels):
            raise ConfigurationError(
                "decoder_channels",
                f"has {len(channels)} entries, but UNetDecoder gets {len(embed_dim)} features",
                f"Give {len(embed_dim)} channels, the coarsest block's first.",
            )
        from segmentation_models_pytorch.base.initialization import initialize_decoder
        from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder  # slow to import

        self.out_channels = channels[-1]
        # The blocks skip a first map of the size of the image; pass the finest in its place.
        self.decoder = UnetDecoder(
            encoder_channels=[embed_dim[0], *embed_dim],
            decoder_channels=channels,
            n_blocks=len(channels),
            use_norm=use_batchnorm,
            attention_type=attention_type,
        )
        initialize_decoder(self.decoder)

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return a map `(B, channels[-1], H, W)` of the size of the finest."""
        decoded: Tensor = self.decoder([x[0], *x])
        return decoded
