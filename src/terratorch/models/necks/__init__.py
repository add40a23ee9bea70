"""Necks: steps between backbone and decoder that select, reshape and resize features."""

from terratorch.models.necks.base import Neck
from terratorch.models.necks.build import build_neck_list
from terratorch.models.necks.modalities import MergeModalities
from terratorch.models.necks.pyramid import (
    AddBottleneckLayer,
    FeaturePyramidNetworkNeck,
    InterpolateToPyramidal,
    LearnedInterpolateToPyramidal,
    MaxpoolToPyramidal,
)
from terratorch.models.necks.select import PermuteDims, SelectIndices
from terratorch.models.necks.tokens import AggregateTokens, ReshapeTokensToImage

__all__ = [
    "AddBottleneckLayer",
    "AggregateTokens",
    "FeaturePyramidNetworkNeck",
    "InterpolateToPyramidal",
    "LearnedInterpolateToPyramidal",
    "MaxpoolToPyramidal",
    "MergeModalities",
    "Neck",
    "PermuteDims",
    "ReshapeTokensToImage",
    "SelectIndices",
    "build_neck_list",
]
