"""Where tiles are read from."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from terratorch.errors import DataError
from terratorch.inference.plan import Tile
from terratorch.ops.padding import pad_axis

Images = Tensor | dict[str, Tensor]


class Source(Protocol):
    """One scene, of which tiles can be read."""

    def read(self, tile: Tile) -> Images:
        """Return what the model sees of a tile, as a batch of one, filled up beyond the scene."""
        ...


class TensorSource:
    """A scene that is a tensor, or a dictionary of tensors by modality.

    Args:
        images: `(1, C, H, W)` or `(1, C, T, H, W)`; entries of a dictionary that do not end in the
            height and width of the scene go to the model with every tile.
        padding: The padding mode; None where tiles never leave the scene.
    """

    def __init__(self, images: Images, padding: str | None) -> None:
        self.images = images
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

    def _is_spatial(self, image: Tensor) -> bool:
        return image.ndim > 2 and tuple(image.shape[-2:]) == (self.height, self.width)

    def _window(self, image: Tensor, tile: Tile) -> Tensor:
        image = _along(image, -2, tile.top, tile.height, self.padding)
        return _along(image, -1, tile.left, tile.width, self.padding)


def scene_size(images: Images) -> tuple[int, int]:
    """Return height and width of a batch of images, or of the modalities of a dictionary.

    Raises:
        DataError: If there is no image, or if modalities differ in size.
    """
    if isinstance(images, Tensor):
        if images.ndim < 4:
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


def _along(image: Tensor, dim: int, start: int, length: int, mode: str) -> Tensor:
    """Return a stretch of an axis that may reach beyond both of its ends, however far."""
    size = image.shape[dim]
    before, after = max(-start, 0), max(start + length - size, 0)
    if not before and not after:
        return image.narrow(dim, start, length)
    if mode == "constant":
        inside = image.narrow(dim, start + before, length - before - after)
        return pad_axis(inside, dim, before, after, mode)
    index = pad_axis(torch.arange(size), 0, before, after, mode).narrow(0, start + before, length)
    return image.index_select(dim, index.to(image.device))
