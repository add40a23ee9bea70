"""Decoders: from the features of a backbone to one map, or one vector."""

from terratorch.models.decoders.aspp_head import (
    ASPPHead,
    ASPPModule,
    ASPPRegressionHead,
    ASPPSegmentationHead,
)
from terratorch.models.decoders.base import Decoder
from terratorch.models.decoders.fcn_decoder import FCNDecoder
from terratorch.models.decoders.identity_decoder import IdentityDecoder
from terratorch.models.decoders.linear_decoder import LinearDecoder
from terratorch.models.decoders.mlp_decoder import MLPDecoder
from terratorch.models.decoders.satmae_head import SatMAEHead, SatMAEHeadViT
from terratorch.models.decoders.unet_decoder import UNetDecoder
from terratorch.models.decoders.upernet_decoder import UperNetDecoder

__all__ = [
    "ASPPHead",
    "ASPPModule",
    "ASPPRegressionHead",
    "ASPPSegmentationHead",
    "Decoder",
    "FCNDecoder",
    "IdentityDecoder",
    "LinearDecoder",
    "MLPDecoder",
    "SatMAEHead",
    "SatMAEHeadViT",
    "UNetDecoder",
    "UperNetDecoder",
]
