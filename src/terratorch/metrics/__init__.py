"""Metrics: pure functions of a confusion matrix, the modules around them, and their directions.

Importing this loads neither torch nor numpy.
"""

from terratorch.metrics.directions import check_monitor, direction

__all__ = ["check_monitor", "direction"]
