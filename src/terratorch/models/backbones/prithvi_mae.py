"""Public names of the Prithvi models; see `terratorch.models.backbones.prithvi`."""

from terratorch.models.backbones.positions import get_3d_sincos_pos_embed
from terratorch.models.backbones.prithvi.encoder import PrithviViT
from terratorch.models.backbones.prithvi.mae import PrithviMAE

__all__ = ["PrithviMAE", "PrithviViT", "get_3d_sincos_pos_embed"]
