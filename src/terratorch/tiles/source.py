"""Where tiles are read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from terratorch.contracts.images import Images
from terratorch.errors import DataError
from terratorch.ops.padding import pad_axis
from terratorch.tiles.plan import Tile


class Source(Protocol):
    """One scene, of which tiles can be read."""

    def read(self, tile: Tile) -> Images:
        """Return what the model sees of a tile, as a batch of one, filled up beyond the scene."""
        ...

    def facts(self, tile: Tile) -> Mapping[str, Images]:
        """Return what is known of a tile, as a batch of one; called after `read`."""
        ...

    def close(self) -> None:
        """Close the source; no more tiles are read."""
        ...


class TensorSource:
    """A scene that is a tensor, or a dictionary of tensors by modality.

    Args:
        images: `(1, C, H, W)` or `(1, C, T, H, W)`; entries of a dictionary that do not end in the
            height and width of the scene go to the model with every tile.
        padding: The padding mode; None if tiles are always inside the scene.
        facts: What is known of all tiles, each as a batch of one.
    """

    def __init__(
        self, images: Images, padding: str | None, facts: Mapping[str, Images] | None = None
    ) -> None:
        self.images = images
        self._facts = facts or {}
        self.padding = padding or "reflect"
        self.height, self.width = scene_size(images)

    def read(self, tile: Tile) -> Images:
        """Return what the model sees of a tile, as a batch of one, filled up beyond the scene."""
        if isinstance(self.images, Tensor):
            return self._window(self.images, tile)
        return {
            name: self._window(image, tile) if self._is_spatial(image) else image
            for name, image in self.images.items()
        }

    def facts(self, tile: Tile) -> Mapping[str, Images]:
        """Return the facts, which all tiles share."""
        return self._facts

    def close(self) -> None:
        """Nothing to do: the tensor is the caller's."""

    def _is_spatial(self, image: Tensor) -> bool:
        return image.ndim > 2 and tuple(image.shape[-2:]) == (self.height, self.width)

    def _window(self, image: Tensor, tile: Tile) -> Tensor:
        down = Stretch(tile.top, tile.height, self.height)
        across = Stretch(tile.left, tile.width, self.width)
        if self.padding == "circular":
            return across.wrap(down.wrap(image, -2), -1)
        return filled(across.inside(down.inside(image, -2), -1), down, across, self.padding)


@dataclass(frozen=True)
class Stretch:
    """A stretch of an axis that may reach beyond both of its ends."""

    start: int
    length: int
    size: int

    @property
    def before(self) -> int:
        """The length of the part before the first end."""
        return max(-self.start, 0)

    @property
    def after(self) -> int:
        """The length of the part after the second end."""
        return max(self.start + self.length - self.size, 0)

    def inside(self, image: Tensor, dim: int) -> Tensor:
        """Return the part that is not beyond, without a copy."""
        return image.narrow(dim, self.start + self.before, self.length - self.before - self.after)

    def wrap(self, image: Tensor, dim: int) -> Tensor:
        """Return the stretch where the axis begins again behind its end."""
        if not self.before and not self.after:
            return self.inside(image, dim)
        index = torch.arange(self.start, self.start + self.length, device=image.device) % self.size
        return image.index_select(dim, index)


def filled(inside: Tensor, down: Stretch, across: Stretch, mode: str) -> Tensor:
    """Return what is inside the scene with the padding around it."""
    pads = (across.before, across.after, down.before, down.after)
    if not any(pads):
        return inside
    one_reflection = max(pads[:2]) < inside.shape[-1] and max(pads[2:]) < inside.shape[-2]
    if inside.is_floating_point() and one_reflection:
        # Several times faster than to gather along the last axis.
        planes = F.pad(inside.flatten(0, -3).unsqueeze(0), pads, mode)
        return planes.reshape(*inside.shape[:-2], down.length, across.length)
    inside = pad_axis(inside, -2, down.before, down.after, mode)
    return pad_axis(inside, -1, across.before, across.after, mode)


def scene_size(images: Images) -> tuple[int, int]:
    """Return height and width of a batch of images, or of the modalities of a dictionary.

    Raises:
        DataError: If there is no image, or if modalities differ in size.
    """
    if isinstance(images, Tensor):
        if images.ndim < 4 or not len(images):
            raise DataError(
                "input_batch",
                f"the shape {tuple(images.shape)} is not that of a batch of images",
                "Give (B, C, H, W) or (B, C, T, H, W).",
            )
        return int(images.shape[-2]), int(images.shape[-1])
    sizes = {
        name: (int(image.shape[-2]), int(image.shape[-1]))
        for name, image in images.items()
        if image.ndim >= 4
    }
    if len(set(sizes.values())) != 1:
        seen = ", ".join(f"{name} {height} x {width}" for name, (height, width) in sizes.items())
        raise DataError(
            "input_batch",
            f"its modalities differ in size: {seen}" if sizes else "no modality holds images",
            "Bring all modalities onto one grid of pixels (B, C, H, W).",
        )
    return next(iter(sizes.values()))
