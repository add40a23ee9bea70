"""Test-time augmentation: the views of an image that a model sees, and the way back.

The views are flips and rotations by quarter turns, the symmetries of a square: they move pixels and
change none, so that what a model gives for a view can be turned back exactly.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from terratorch.contracts.images import Images
from terratorch.tiles.source import scene_size


class Augmentation(StrEnum):
    """A group of views; both together are the eight symmetries of a square."""

    FLIPS = "flips"  # across, down, and both: four views
    ROTATIONS = "rotations"  # by 0, 90, 180 and 270 degrees: four views


@dataclass(frozen=True)
class View:
    """One way to look at an image.

    Attributes:
        flipped: Whether left and right change places, before the image is turned.
        turns: Quarter turns, counter-clockwise.
    """

    flipped: bool = False
    turns: int = 0

    def apply(self, image: Tensor) -> Tensor:
        """Return the view of an image `(..., H, W)`: `(..., W, H)` after an odd number of turns."""
        turned = torch.rot90(image.flip(-1) if self.flipped else image, self.turns, (-2, -1))
        return turned.contiguous()  # some models look at their input by other sizes

    def undo(self, image: Tensor) -> Tensor:
        """Return the image `(..., H, W)` of which this is the view."""
        turned = torch.rot90(image, -self.turns, (-2, -1))
        return turned.flip(-1) if self.flipped else turned

    def of(self, images: Images) -> Images:
        """Return the view of a batch; entries by modality other than images are unchanged."""
        if isinstance(images, Tensor):
            return self.apply(images)
        size = scene_size(images)
        return {
            name: self.apply(image) if image.ndim > 2 and image.shape[-2:] == size else image
            for name, image in images.items()
        }


SAME = View()


def views_of(augmentations: Collection[Augmentation | str]) -> tuple[View, ...]:
    """Return the views of some augmentations without duplicates, the image itself first.

    Args:
        augmentations: Empty for the image itself only.
    """
    flips, rotations = Augmentation.FLIPS in augmentations, Augmentation.ROTATIONS in augmentations
    # Flipped down is flipped across and turned by 180 degrees.
    turns = range(4) if rotations else (0, 2) if flips else (0,)
    return tuple(
        View(flipped, turn) for flipped in ((False, True) if flips else (False,)) for turn in turns
    )
