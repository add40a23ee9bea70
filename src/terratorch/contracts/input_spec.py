"""What an image file holds, which of its bands go to the model, and how they are normalised.

One value object that a checkpoint carries along, so that the same is done to images in fit, test
and predict, by construction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from terratorch.bands import Band, parse_bands
from terratorch.contracts.band_selection import BandSelection
from terratorch.errors import ConfigurationError


@dataclass(frozen=True)
class InputSpec:
    """What is read from image files and what is done to it before the model sees it.

    Args:
        dataset_bands: The bands of a file, in order; None where they have no names.
        output_bands: The bands that go to the model, in order; None for all.
        means: The mean of each output band; None for no normalisation.
        stds: The standard deviation of each output band.
        constant_scale: What values are multiplied with as they are read.
        no_data_replace: What stands in for nodata and NaN, before scaling; None if they are errors.
        expand_temporal_dimension: Whether files hold several time steps, time-major.
        rgb_indices: Which output bands are shown as red, green and blue; by default by their name.
    """

    dataset_bands: tuple[Band, ...] | None = None
    output_bands: tuple[Band, ...] | None = None
    means: tuple[float, ...] | None = None
    stds: tuple[float, ...] | None = None
    constant_scale: float = 1.0
    no_data_replace: float | None = None
    expand_temporal_dimension: bool = False
    rgb_indices: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        bands = self.selection().count
        if not math.isfinite(self.constant_scale) or self.constant_scale == 0:
            raise ConfigurationError(
                "constant_scale", f"{self.constant_scale} leaves nothing of the images", "Give 1."
            )
        _check_statistics(self.means, self.stds, bands)
        wrong = [index for index in self.rgb_indices or () if bands and not 0 <= index < bands]
        if wrong:
            raise ConfigurationError(
                "rgb_indices",
                f"{wrong[0]}, but {bands} bands go to the model (output_bands)",
                f"Give positions among these, 0 to {(bands or 0) - 1}.",
            )

    @classmethod
    def create(
        cls,
        *,
        dataset_bands: Iterable[object] | None = None,
        output_bands: Iterable[object] | None = None,
        means: Iterable[float] | None = None,
        stds: Iterable[float] | None = None,
        constant_scale: float = 1,
        no_data_replace: float | None = None,
        expand_temporal_dimension: bool = False,
        rgb_indices: Iterable[int] | None = None,
    ) -> InputSpec:
        """Build it from what people write: lists, and bands in any form."""
        return cls(
            dataset_bands=_bands(dataset_bands, "dataset_bands"),
            output_bands=_bands(output_bands, "output_bands"),
            means=_numbers(means),
            stds=_numbers(stds),
            constant_scale=float(constant_scale),
            no_data_replace=no_data_replace,
            expand_temporal_dimension=expand_temporal_dimension,
            rgb_indices=None if rgb_indices is None else tuple(rgb_indices),
        )

    def with_bands(
        self, dataset_bands: Iterable[object] | None, output_bands: Iterable[object] | None
    ) -> InputSpec:
        """Return the same for files with other bands; what is None stays as it is.

        The model sees the bands that it was trained with: a position among the old bands is not
        the same one among the new.
        """
        if dataset_bands is None and output_bands is None:
            return self
        files = _bands(dataset_bands, "predict_dataset_bands") or self.dataset_bands
        wanted = _bands(output_bands, "predict_output_bands") or self.selection().names
        return replace(self, dataset_bands=files, output_bands=wanted)

    def selection(self) -> BandSelection:
        """Return the selection of bands that files are read with."""
        return BandSelection(
            self.dataset_bands, self.output_bands, expand_time=self.expand_temporal_dimension
        )

    def dataset_options(self) -> dict[str, Any]:
        """Return what a generic data set needs of it, by the parameters of the data set."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(self).items()
            if name not in ("means", "stds")
        }

    def normalize(self, image: Tensor, *, in_place: bool = False) -> Tensor:
        """Normalise images `(C, H, W)`, or a batch `(B, C, H, W)` or `(B, C, T, H, W)`."""
        if self.means is None or self.stds is None:
            return image
        return normalize(
            image,
            self.means,
            self.stds,
            time_in_channels=self.expand_temporal_dimension,
            in_place=in_place,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers, as a checkpoint keeps them."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> InputSpec:
        """Build it from what `to_dict` gave."""
        return cls.create(**values)


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
        time_in_channels: Whether channels may be several time steps of the bands.
        inverse: Whether to undo it.
        in_place: Whether the image, of floats, may be changed, which is faster.
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


def _bands(bands: Iterable[object] | None, thing: str) -> tuple[Band, ...] | None:
    return None if bands is None else parse_bands(bands, thing=thing)


def _numbers(values: Iterable[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(value) for value in values)


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _check_statistics(
    means: tuple[float, ...] | None, stds: tuple[float, ...] | None, bands: int | None
) -> None:
    given = {"means": means, "stds": stds}
    for name, values in given.items():
        other = "stds" if name == "means" else "means"
        if values is not None and given[other] is None:
            raise ConfigurationError(
                name, f"given without {other}", f"Give both, or neither; {_COMPUTE}"
            )
        if values is not None and bands is not None and len(values) != bands:
            raise ConfigurationError(
                name,
                f"{len(values)} values, but {bands} bands go to the model (output_bands)",
                f"Give one value for each of these bands; {_COMPUTE}",
            )
    if means is not None and stds is not None and len(means) != len(stds):
        raise ConfigurationError(
            "means", f"{len(means)} values, but stds has {len(stds)}", "Give one of each per band."
        )
    for name, values in given.items():
        for place, value in enumerate(values or ()):
            _check_number(f"{name}[{place}]", value, positive=name == "stds")


def _check_number(thing: str, value: float, positive: bool) -> None:
    if not math.isfinite(value):
        raise ConfigurationError(thing, f"{value} is not a number", f"Compute it; {_COMPUTE}")
    if positive and value <= 0:
        raise ConfigurationError(
            thing, f"{value} is not above zero", "A band that is constant needs 1."
        )


_COMPUTE = "`terratorch compute_statistics` prints both."
