"""Metrics: formulas of counts, the torchmetrics around them, and their directions.

Importing this room loads neither torch nor numpy.
"""

from terratorch.metrics.directions import check_monitor, direction

__all__ = ["check_monitor", "direction"]
