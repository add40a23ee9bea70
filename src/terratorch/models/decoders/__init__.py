"""Decoders: from the features of a backbone to one map, or one vector."""

from terratorch.models.decoders.base import Decoder
from terratorch.models.decoders.identity_decoder import IdentityDecoder
from terratorch.models.decoders.unet_decoder import UNetDecoder

__all__ = ["Decoder", "IdentityDecoder", "UNetDecoder"]
