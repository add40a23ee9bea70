"""Batches of images, one tensor or several by modality, and their normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from numpy.typing import NDArray
from torch import Tensor

from terratorch.errors import ConfigurationError

Images = Tensor | dict[str, Tensor]

Pixels: TypeAlias = NDArray[Any]
"""Pixels in the dtype of their file."""


def each_image(images: Images, change: Callable[[Tensor], Tensor]) -> Images:
    """Apply a function to each image.

    Args:
        images: One tensor, or several by modality.
        change: The function.
    """
    if isinstance(images, Tensor):
        return change(images)
    return {name: change(image) for name, image in images.items()}


def joined(batches: Sequence[Images]) -> Images:
    """Join batches into one, which copies each once."""
    first = batches[0]
    if isinstance(first, Tensor):
        return torch.cat([batch for batch in batches if isinstance(batch, Tensor)])
    return {
        name: torch.cat([batch[name] for batch in batches if not isinstance(batch, Tensor)])
        for name in first
    }


def normalize(
    image: Tensor,
    means: Sequence[float],
    stds: Sequence[float],
    *,
    time_in_channels: bool = False,
    inverse: bool = False,
    in_place: bool = False,
) -> Tensor:
    """Subtract the mean of each band and divide by its standard deviation.

    Args:
        image: `(C, H, W)`, `(B, C, H, W)` or `(B, C, T, H, W)`.
        means: The mean of each band.
        stds: The standard deviation of each band.
        time_in_channels: Whether channels may hold several time steps of the bands.
        inverse: Whether to undo the normalisation.
        in_place: Whether to change the image, which must be of floats, in place. Faster.
    """
    shape = (-1, 1, 1, 1) if image.ndim == 5 else (-1, 1, 1)
    channels = image.shape[-len(shape)]
    steps = channels // len(means) if time_in_channels and image.ndim < 5 else 1
    if channels != steps * len(means):
        raise ConfigurationError(
            "means",
            f"{len(means)} values, but the images have {channels} bands",
            "Give one mean and one standard deviation for each band that goes to the model.",
        )
    mean = torch.tensor([*means] * steps).to(image).view(shape)
    std = torch.tensor([*stds] * steps).to(image).view(shape)
    if inverse:
        return image * std + mean
    return image.sub_(mean).div_(std) if in_place else (image - mean) / std
