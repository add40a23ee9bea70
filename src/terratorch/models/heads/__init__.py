"""Heads: from the features of a decoder to predictions."""

from terratorch.models.heads.regression_head import RegressionHead
from terratorch.models.heads.scalar_head import ClassificationHead, ScalarHead
from terratorch.models.heads.segmentation_head import SegmentationHead

__all__ = ["ClassificationHead", "RegressionHead", "ScalarHead", "SegmentationHead"]
