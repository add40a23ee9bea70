"""Pure functions on state dicts: find, compare, and fit to other bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor

from terratorch.bands import Band

StateDict = dict[str, Tensor]

RGB = ("RED", "GREEN", "BLUE")


def is_state_dict(value: object) -> TypeGuard[Mapping[str, Tensor]]:
    """Return whether a value is a dictionary of tensors by name."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(key, str) and isinstance(item, Tensor) for key, item in value.items())
    )


def find_state_dict(checkpoint: object) -> StateDict | None:
    """Return the state dict in the content of a file.

    It is the whole content, or under a key that ends with `state_dict`, or under `model`.
    """
    if is_state_dict(checkpoint):
        return dict(checkpoint)
    if not isinstance(checkpoint, Mapping):
        return None
    for key, value in checkpoint.items():
        if isinstance(key, str) and (key.endswith("state_dict") or key == "model"):
            state = find_state_dict(value)
            if state is not None:
                return state
    return None


def select_prefix(state: Mapping[str, Tensor], prefix: str) -> StateDict:
    """Return the entries under a prefix, without it."""
    return {
        key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)
    }


@dataclass(frozen=True)
class StateDifference:
    """How a state dict differs from what a model expects.

    Attributes:
        missing: Keys of the model that it lacks.
        unexpected: Keys that the model lacks.
        shapes: Keys of both whose shapes differ, as `key: (3,) in the file, (4,) in the model`.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    shapes: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.shapes)

    def __str__(self) -> str:
        parts = (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", self.shapes),
        )
        return "; ".join(
            f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
            for what, keys in parts
            if keys
        )


def compare_states(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], optional: Sequence[str] = ()
) -> StateDifference:
    """Compare a state dict with that of a model.

    Args:
        state: The state dict to load.
        expected: The state dict of the model.
        optional: Parts of keys that may be missing in `state`.
    """
    missing = (
        key for key in expected if key not in state and not any(part in key for part in optional)
    )
    shapes = (
        f"{key}: {tuple(state[key].shape)} in the file, {tuple(value.shape)} in the model"
        for key, value in expected.items()
        if key in state and state[key].shape != value.shape
    )
    return StateDifference(
        missing=tuple(missing),
        unexpected=tuple(key for key in state if key not in expected),
        shapes=tuple(shapes),
    )


def match_bands(
    weight: Tensor, source: Sequence[Band], fresh: Tensor, target: Sequence[Band]
) -> Tensor:
    """Fit the weight of a first projection to other bands: copy those that match by name.

    Args:
        weight: Of the file `(D, bands, ...)`.
        source: Its bands, in order.
        fresh: The initialised weight of the model `(D, bands, ...)`, used for other bands.
        target: The bands of the model, in order.
    """
    fitted = fresh.detach().clone()
    for place, band in enumerate(target):
        if band in source:
            fitted[:, place] = weight[:, source.index(band)].to(fitted.dtype)
    return fitted


def spread_rgb(weight: Tensor, target: Sequence[Band]) -> Tensor:
    """Fit the weight of a first convolution on RGB to other bands.

    Red, green and blue keep their filters, other bands get the mean of the three; all are scaled by
    three over the number of bands, which keeps the size of the activations.

    Args:
        weight: On red, green, blue `(D, 3, ...)`.
        target: The bands of the model, in order.
    """
    mean = weight.mean(dim=1)
    filters = [weight[:, RGB.index(band)] if band in RGB else mean for band in target]
    return torch.stack(filters, dim=1) * (3.0 / len(target))
