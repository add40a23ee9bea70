"""Time and location of an image as additions to its tokens (arXiv:2412.02732)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from terratorch.errors import DataError
from terratorch.models.backbones.positions import sincos_1d


class CoordinateEncoder(nn.Module):
    """Encode pairs of coordinates as sines and cosines, half the channels each, times a scale.

    Args:
        dim: Channels of a token.
        learn_scale: Whether the scale is trained; otherwise it is 1.
    """

    scale: Tensor

    def __init__(self, dim: int, learn_scale: bool) -> None:
        super().__init__()
        self.dim = dim
        if learn_scale:
            self.scale = nn.Parameter(torch.full((1,), 0.1))
        else:
            self.register_buffer("scale", torch.ones(1))

    def forward(self, coordinates: Tensor) -> Tensor:
        """Encode `(..., 2)` as `(..., D)`, in float32 whatever the precision of the model.

        Half precision cannot distinguish one year from the next.
        """
        pairs = coordinates.float()
        half = self.dim // 2
        first, second = sincos_1d(pairs[..., 0], half), sincos_1d(pairs[..., 1], self.dim - half)
        return torch.cat([first, second], dim=-1) * self.scale.float()


def encode_coordinates(
    tokens: Tensor,
    frames: int,
    time: CoordinateEncoder | None,
    location: CoordinateEncoder | None,
    temporal_coords: Tensor | None,
    location_coords: Tensor | None,
) -> Tensor:
    """Add the encodings of time and location to patch tokens, where both data and model have them.

    Args:
        tokens: Patch tokens `(B, T*H*W, D)`, without the class token.
        frames: The time steps T that the tokens hold.
        time: Encoder of time, if the model has one.
        location: Encoder of location, if the model has one.
        temporal_coords: Year and day of year (0 to 364) of each time step `(B, T, 2)`.
        location_coords: Latitude and longitude in degrees `(B, 2)`.

    Raises:
        DataError: If coordinates have another shape.
    """
    batch, count, _ = tokens.shape
    if time is not None and temporal_coords is not None:
        _check_shape("temporal_coords", temporal_coords, (batch, frames, 2))
        encoded = time(temporal_coords).repeat_interleave(count // frames, dim=1)
        tokens = tokens + encoded.to(tokens.dtype)
    if location is not None and location_coords is not None:
        _check_shape("location_coords", location_coords, (batch, 2))
        tokens = tokens + location(location_coords)[:, None].to(tokens.dtype)
    return tokens


def _check_shape(name: str, coordinates: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(coordinates.shape) != shape:
        meaning = {
            "temporal_coords": "(batch, time steps, 2): year and day of year",
            "location_coords": "(batch, 2): latitude and longitude",
        }[name]
        raise DataError(
            name, f"has the shape {tuple(coordinates.shape)}", f"Expected {shape}, {meaning}."
        )
