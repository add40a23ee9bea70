"""How large the images are that a checkpoint was trained on and chosen by."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

_IMAGES_OF_PIXELS = 3  # dimensions of their targets, at least: (B, H, W)


class FittedChips:
    """The largest images that the training or the validation of a fit ran whole.

    Attributes:
        size: Height and width of the image with the most pixels; None where that is not known, and
            of tasks over images, which are never cut.
    """

    def __init__(self) -> None:
        self.size: tuple[int, int] | None = None

    def start(self, trainer: Any) -> None:
        """Forget those of another fit, unless this one goes on from its checkpoint."""
        if trainer.ckpt_path is None:
            self.size = None

    def add(self, target: Tensor, trainer: Any) -> None:
        """Take in a batch that ran whole.

        Args:
            target: Its target, `(B, H, W)` or `(B, 1, H, W)`; unlike the images of a batch, of
                which some may be no images, it always has the size of the map.
            trainer: The Trainer; outside of a fit nothing is taken in.
        """
        if trainer is None or trainer.state.fn is not TrainerFn.FITTING:
            return
        if target.ndim < _IMAGES_OF_PIXELS:
            return
        height, width = target.shape[-2:]
        if self.size is None or height * width > self.size[0] * self.size[1]:
            self.size = (height, width)
