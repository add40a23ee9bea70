"""The chip size that a checkpoint was trained on and chosen by."""

from __future__ import annotations

from collections.abc import Iterable

from terratorch.tasks.step_result import RawTarget

_DENSE = 3  # dimensions of dense targets, at least: (B, H, W)


class FittedChips:
    """The largest images that training or validation ran whole.

    Attributes:
        size: Height and width of the image with the most pixels; None if it is not known, and for
            targets of whole images, which are never cut.
    """

    def __init__(self) -> None:
        self.size: tuple[int, int] | None = None

    def add(self, targets: Iterable[RawTarget]) -> None:
        """Count a batch that ran whole.

        Args:
            targets: Its targets. Unlike the inputs of a batch, which may hold more than images,
                dense ones always have the size of the map.
        """
        for target in targets:
            if target.values.ndim < _DENSE:
                continue
            height, width = target.values.shape[-2:]
            if self.size is None or height * width > self.size[0] * self.size[1]:
                self.size = (height, width)
