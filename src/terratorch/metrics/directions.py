"""Whether a metric improves as it grows or shrinks, by its public name."""

from __future__ import annotations

import re
from typing import Literal

from terratorch.errors import ConfigurationError

Direction = Literal["max", "min"]

# Patterns for the last part of a name (`mIoU` in `val/mIoU`); the first match counts.
_DIRECTIONS: tuple[tuple[str, Direction], ...] = (
    (r"ce|bce|dice|jaccard|focal|lovasz|mse|rmse|mae|huber", "min"),
    (r"(R?MSE|MAE)(_.*)?", "min"),
    (r"R2_Score(_.*)?", "max"),
    (r"(Boundary_)?mIoU(_Micro)?|IoU_.*", "max"),
    (r"(Class_|Pixel_|Multilabel_)?(Accuracy|F1|F1_Score|Precision|Recall)(_.*)?", "max"),
    (r"m?AP(_.*)?|map(_.*)?", "max"),
    (r"(.*_)?loss", "min"),
)
_STAGES = ("train", "val", "test")


def direction(name: str) -> Direction | None:
    """Return whether a metric should be `max` or `min`, None if its name is unknown.

    Args:
        name: Its public name, such as `val/mIoU` or `test/holdout/loss`.

    Examples:
        >>> direction("val/mIoU"), direction("val/loss"), direction("val/of_my_own")
        ('max', 'min', None)
    """
    last = name.strip().rsplit("/", 1)[-1]
    last = re.sub(r"_(epoch|step)$", "", last)
    for pattern, result in _DIRECTIONS:
        if re.fullmatch(pattern, last):
            return result
    return None


def check_monitor(monitor: str | None, mode: str, thing: str = "monitor") -> None:
    """Check that a metric is monitored in the right direction.

    Args:
        monitor: The name of the metric, None if nothing is monitored.
        mode: `max` or `min`.
        thing: Their path in the configuration, for the message.

    Raises:
        ConfigurationError: If the metric is known to improve in the other direction.
    """
    if monitor is None:
        return
    right = direction(monitor)
    if right is not None and mode != right:
        size = "larger" if right == "max" else "smaller"
        raise ConfigurationError(
            thing,
            f"{monitor} is better when {size}, but mode is {mode!r}",
            f"Set mode: {right}",
        )
