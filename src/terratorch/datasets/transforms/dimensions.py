"""Transforms that bring images with time, or several samples, into the three dimensions of others.

Images of albumentations have bands last: `(H, W, C)`, with time `(T, H, W, C)`. After `ToTensorV2`
they are tensors with channels first, `(C, H, W)`; the inverse transforms take both.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from terratorch.datasets.transforms.albumentations_import import import_albumentations
from terratorch.errors import ConfigurationError

_ImageOnly: Any = import_albumentations().ImageOnlyTransform

Image = TypeVar("Image", np.ndarray, Tensor)


class FlattenTemporalIntoChannels(_ImageOnly):
    """Flatten time into channels: `(T, H, W, C)` to `(H, W, T * C)`, time-major."""

    def __init__(self) -> None:
        super().__init__(p=1)

    def apply(self, img: np.ndarray, **params: object) -> np.ndarray:
        """Flatten an image."""
        _check_dimensions(self, img, 4, "expand_temporal_dimension")
        return np.ascontiguousarray(np.moveaxis(img, 0, -2).reshape(*img.shape[1:3], -1))


class UnflattenTemporalFromChannels(_ImageOnly):
    """Undo `FlattenTemporalIntoChannels`.

    A tensor `(T * C, H, W)` becomes `(C, T, H, W)`; an array `(H, W, T * C)`, `(T, H, W, C)`.

    Args:
        n_timesteps: How many time steps; found from the channels where None.
        n_channels: How many bands; found from the time steps where None.
    """

    def __init__(self, n_timesteps: int | None = None, n_channels: int | None = None) -> None:
        super().__init__(p=1)
        if n_timesteps is None and n_channels is None:
            raise ConfigurationError(
                "UnflattenTemporalFromChannels",
                "neither n_timesteps nor n_channels is given",
                "Give at least one of them.",
            )
        self.n_timesteps, self.n_channels = n_timesteps, n_channels

    def apply(self, img: Image, **params: object) -> Image:
        """Unflatten an image."""
        sizes = (self.n_timesteps or -1, self.n_channels or -1)
        if isinstance(img, Tensor):
            _check_divides(self, img.shape[0], sizes)
            return img.unflatten(0, sizes).transpose(0, 1).contiguous()
        _check_divides(self, img.shape[-1], sizes)
        return np.ascontiguousarray(np.moveaxis(img.reshape(*img.shape[:2], *sizes), 2, 0))


class FlattenSamplesIntoChannels(_ImageOnly):
    """Flatten several samples into channels: `(S, [T,] H, W, C)` to `(H, W, S * [T *] C)`.

    Args:
        time_dim: Whether there is a dimension of time.
    """

    def __init__(self, time_dim: bool = True) -> None:
        super().__init__(p=1)
        self.time_dim = time_dim

    def apply(self, img: np.ndarray, **params: object) -> np.ndarray:
        """Flatten an image."""
        leading = 2 if self.time_dim else 1
        _check_dimensions(self, img, leading + 3, "time_dim")
        moved = np.moveaxis(img, tuple(range(leading)), tuple(range(2, 2 + leading)))
        return np.ascontiguousarray(moved.reshape(*moved.shape[:2], -1))


class UnflattenSamplesFromChannels(_ImageOnly):
    """Undo `FlattenSamplesIntoChannels` on a tensor: `(S * [T *] C, H, W)` to `(S, C, [T,] H, W)`.

    Args:
        time_dim: Whether there is a dimension of time.
        n_samples: How many samples.
        n_timesteps: How many time steps.
        n_channels: How many bands. One of the three may be None and is found from the others.
    """

    def __init__(
        self,
        time_dim: bool = True,
        n_samples: int | None = None,
        n_timesteps: int | None = None,
        n_channels: int | None = None,
    ) -> None:
        super().__init__(p=1)
        self.time_dim = time_dim
        self.n_samples, self.n_timesteps, self.n_channels = n_samples, n_timesteps, n_channels
        sizes = (n_samples, n_timesteps, n_channels) if time_dim else (n_samples, n_channels)
        self._sizes = tuple(size or -1 for size in sizes)
        if self._sizes.count(-1) > 1:
            raise ConfigurationError(
                "UnflattenSamplesFromChannels",
                "too few sizes are given",
                f"All but one of n_samples,{' n_timesteps,' if time_dim else ''} n_channels.",
            )

    def apply(self, img: Tensor, **params: object) -> Tensor:
        """Unflatten an image."""
        _check_divides(self, img.shape[0], self._sizes)
        unflat = img.unflatten(0, self._sizes)
        return unflat.transpose(1, 2).contiguous() if self.time_dim else unflat


class Rearrange(_ImageOnly):
    """Rearrange the dimensions of an image as in einops, such as `t h w c -> h w (t c)`.

    Args:
        rearrange: The pattern.
        rearrange_args: The sizes that the pattern does not determine.
        always_apply: Kept for configurations that have it; it is always applied.
        p: The probability, which must be 1: a dimension that is there by chance fits no model.
    """

    def __init__(
        self,
        rearrange: str,
        rearrange_args: dict[str, int] | None = None,
        always_apply: bool = True,
        p: float = 1,
    ) -> None:
        super().__init__(p=1)
        if p != 1 or not always_apply:
            raise ConfigurationError("Rearrange.p", f"{p} is not 1", "It is always applied.")
        self.rearrange, self.rearrange_args = rearrange, dict(rearrange_args or {})

    def apply(self, img: Image, **params: object) -> Image:
        """Rearrange an image."""
        from functorch.einops import rearrange  # type: ignore[import-untyped]  # part of torch

        if isinstance(img, Tensor):
            return rearrange(img, self.rearrange, **self.rearrange_args)
        tensor = rearrange(torch.from_numpy(img), self.rearrange, **self.rearrange_args)
        return np.ascontiguousarray(tensor.numpy())


def _check_dimensions(transform: object, image: np.ndarray, expected: int, option: str) -> None:
    if image.ndim != expected:
        raise ConfigurationError(
            type(transform).__name__,
            f"the image has {image.ndim} dimensions {tuple(image.shape)}, not {expected}",
            f"Is {option} set as the files need it?",
        )


def _check_divides(transform: object, channels: int, sizes: tuple[int, ...]) -> None:
    known = int(np.prod([size for size in sizes if size > 0]))
    if channels % known or (-1 not in sizes and channels != known):
        raise ConfigurationError(
            type(transform).__name__,
            f"{channels} channels do not divide into {known}",
            "Check its arguments against the bands and time steps of the files.",
        )
