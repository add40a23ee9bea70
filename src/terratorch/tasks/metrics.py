"""The public path of `BoundaryMeanIoU`."""

from terratorch.metrics.classes import BoundaryMeanIoU

__all__ = ["BoundaryMeanIoU"]
