"""What a model reads: images by modality, their bands, scaling, statistics and time layout.

A data module builds one `InputSpec`. It goes whole to the data set, the checkpoint and the
prediction, so that images are read and normalised in the same way everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cached_property

from torch import Tensor

from terratorch.bands import Band, parse_bands
from terratorch.contracts.band_selection import BandSelection
from terratorch.contracts.images import Images, normalize
from terratorch.errors import ConfigurationError

SINGLE = "image"
"""The modality of an input of one image."""

_COMPUTE = "`terratorch compute_statistics` prints both."


class TimeLayout(StrEnum):
    """The order of time steps and bands in a file."""

    NONE = "none"  # one time step
    TIME_MAJOR = "time_major"  # all bands of a time step, then those of the next
    BAND_MAJOR = "band_major"  # all time steps of a band, then those of the next

    @classmethod
    def of(cls, expand_temporal_dimension: bool, temporal_channel_major: bool) -> TimeLayout:
        """Return the layout that the public options describe."""
        if not expand_temporal_dimension:
            return cls.NONE
        return cls.BAND_MAJOR if temporal_channel_major else cls.TIME_MAJOR


@dataclass(frozen=True)
class ImageSpec:
    """How one image is read from a file and normalised.

    Args:
        dataset_bands: The bands of a file, in order; None if they have no names.
        output_bands: The bands that go to the model, in order; None for all.
        means: The mean of each output band; None for no normalisation.
        stds: The standard deviation of each output band.
        constant_scale: Values are multiplied by this when they are read.
        no_data_replace: Replaces nodata and NaN, before scaling; they are errors if None.
        time: Whether a file holds several time steps, and in which order.
        rgb_indices: The output bands to show as red, green and blue; found by name if None.
    """

    dataset_bands: tuple[Band, ...] | None = None
    output_bands: tuple[Band, ...] | None = None
    means: tuple[float, ...] | None = None
    stds: tuple[float, ...] | None = None
    constant_scale: float = 1.0
    no_data_replace: float | None = None
    time: TimeLayout = TimeLayout.NONE
    rgb_indices: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        bands = self.selection.count
        if not math.isfinite(self.constant_scale) or self.constant_scale == 0:
            raise ConfigurationError(
                "constant_scale",
                f"{self.constant_scale} would make all values alike",
                "Give a finite number other than 0, such as 1.",
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
        temporal_channel_major: bool = False,
        rgb_indices: Iterable[int] | None = None,
    ) -> ImageSpec:
        """Build it from public options: lists, and bands in any form."""
        return cls(
            dataset_bands=_bands(dataset_bands, "dataset_bands"),
            output_bands=_bands(output_bands, "output_bands"),
            means=_numbers(means),
            stds=_numbers(stds),
            constant_scale=float(constant_scale),
            no_data_replace=no_data_replace,
            time=TimeLayout.of(expand_temporal_dimension, temporal_channel_major),
            rgb_indices=None if rgb_indices is None else tuple(rgb_indices),
        )

    @property
    def has_time(self) -> bool:
        """Whether a file holds several time steps."""
        return self.time is not TimeLayout.NONE

    @cached_property
    def selection(self) -> BandSelection:
        """The bands to read from each file."""
        return BandSelection(
            self.dataset_bands,
            self.output_bands,
            expand_time=self.has_time,
            band_major=self.time is TimeLayout.BAND_MAJOR,
        )

    def with_bands(
        self, dataset_bands: Iterable[object] | None, output_bands: Iterable[object] | None
    ) -> ImageSpec:
        """Return the same for files with other bands; None keeps the bands.

        Positions become names first: the same position may hold another band in the other files.
        """
        if dataset_bands is None and output_bands is None:
            return self
        in_file = _bands(dataset_bands, "predict_dataset_bands") or self.dataset_bands
        selected = _bands(output_bands, "predict_output_bands") or self.selection.names
        return replace(self, dataset_bands=in_file, output_bands=selected)

    def normalize(self, image: Tensor, *, in_place: bool = False) -> Tensor:
        """Normalise images `(C, H, W)`, or a batch `(B, C, H, W)` or `(B, C, T, H, W)`."""
        if self.means is None or self.stds is None:
            return image
        return normalize(
            image, self.means, self.stds, time_in_channels=self.has_time, in_place=in_place
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain lists, strings and numbers, for a checkpoint."""
        return {entry.name: _plain(getattr(self, entry.name)) for entry in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> ImageSpec:
        """Build it from what `to_dict` returned, in this or the first format of checkpoints."""
        options = dict(values)
        time = TimeLayout(str(options.pop("time", TimeLayout.NONE)))
        if time is not TimeLayout.NONE:
            options["expand_temporal_dimension"] = True
            options["temporal_channel_major"] = time is TimeLayout.BAND_MAJOR
        return cls.create(**options)  # type: ignore[arg-type]  # checked by `create`


@dataclass(frozen=True)
class InputSpec:
    """The images that a model takes, by modality.

    Args:
        images: How each is read and normalised, by the name that the model knows. A model of one
            image has the modality `image`.
        facts: The further inputs that the model was trained with, such as `temporal_coords`; None
            if that is not known, as before the training.

    Examples:
        >>> optical = ImageSpec.create(dataset_bands=["RED", "NIR_NARROW"])
        >>> list(InputSpec({"S2L2A": optical, "DEM": ImageSpec()}).images)
        ['S2L2A', 'DEM']
        >>> InputSpec.single(optical).is_single
        True
    """

    images: Mapping[str, ImageSpec] = field(default_factory=lambda: {SINGLE: ImageSpec()})
    facts: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not self.images:
            raise ConfigurationError("images", "it is empty", "Name the modalities of the model.")

    @classmethod
    def single(cls, image: ImageSpec) -> InputSpec:
        """Return the input of a model of one image."""
        return cls({SINGLE: image})

    @classmethod
    def create(cls, **options: object) -> InputSpec:
        """Build the input of a model of one image from the options of `ImageSpec.create`."""
        return cls.single(ImageSpec.create(**options))  # type: ignore[arg-type]  # as named there

    @property
    def is_single(self) -> bool:
        """Whether the model takes one image, as a tensor, instead of a dictionary."""
        return self.images.keys() == {SINGLE}

    @property
    def may_lack_modalities(self) -> bool:
        """Whether the model was trained with the fact `missing`."""
        return not self.is_single and "missing" in (self.facts or ())

    @property
    def image(self) -> ImageSpec:
        """How the one image is read.

        Raises:
            ConfigurationError: If there are several modalities.
        """
        if not self.is_single:
            raise ConfigurationError(
                "input_spec",
                f"has {_named(self.images)} instead of one image",
                "Use input_spec.images.",
            )
        return self.images[SINGLE]

    def with_bands(
        self, dataset_bands: Iterable[object] | None, output_bands: Iterable[object] | None
    ) -> InputSpec:
        """Return the same for files with other bands; see `ImageSpec.with_bands`."""
        if dataset_bands is None and output_bands is None:
            return self
        return replace(self, images={SINGLE: self.image.with_bands(dataset_bands, output_bands)})

    def with_facts(self, names: Iterable[str] | None) -> InputSpec:
        """Return the same of a model that was trained with these further inputs."""
        return replace(self, facts=None if names is None else tuple(sorted(names)))

    def normalize(self, images: Images, *, in_place: bool = False) -> Images:
        """Normalise a batch of images.

        Args:
            images: The batch: a tensor, or a dictionary of tensors from which modalities may be
                missing.
            in_place: Whether to change the images, which must be floats, in place. Faster.

        Raises:
            ConfigurationError: If the batch has images that the specification does not describe.
        """
        if isinstance(images, Tensor) and self.is_single:
            return self.image.normalize(images, in_place=in_place)
        by_name = {} if isinstance(images, Tensor) else images
        unknown = self.is_single or isinstance(images, Tensor) or by_name.keys() - self.images
        if unknown:
            raise ConfigurationError(
                "image",
                f"the batch has {_named(images)}, but input_spec describes {_named(self.images)}",
                "Make the samples of the data module match its input_spec.",
            )
        return {
            name: self.images[name].normalize(image, in_place=in_place)
            for name, image in by_name.items()
        }

    def each(self, read: Callable[[str], Tensor | None]) -> Images:
        """Return the input of a model: one tensor, or those by modality that are not None."""
        if self.is_single:
            image = read(SINGLE)
            assert image is not None, "a single image cannot be missing"
            return image
        images = {name: read(name) for name in self.images}
        return {name: image for name, image in images.items() if image is not None}

    def shown_bands(self) -> tuple[str | None, tuple[int, ...]]:
        """Return which image to show to people, and its red, green and blue bands.

        The image is the first modality with known colours, else the first; None for a single image.
        """
        colored = (
            name
            for name, image in self.images.items()
            if image.rgb_indices or image.selection.has_rgb
        )
        name = next(colored, next(iter(self.images)))
        image = self.images[name]
        return None if self.is_single else name, image.rgb_indices or image.selection.rgb_places()

    def to_dict(self) -> dict[str, object]:
        """Return plain lists, strings and numbers, for a checkpoint."""
        images = {name: image.to_dict() for name, image in self.images.items()}
        return {"images": images, "facts": None if self.facts is None else list(self.facts)}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> InputSpec:
        """Build it from what `to_dict` returned.

        The first format of checkpoints is read as well: the fields of one image, or `modalities`.
        """
        images = values.get("images", values.get("modalities"))
        if images is None:
            return cls.single(ImageSpec.from_dict(values))
        assert isinstance(images, Mapping)
        facts = values.get("facts")
        assert facts is None or isinstance(facts, Iterable)
        by_name = {str(name): ImageSpec.from_dict(image) for name, image in images.items()}
        return cls(by_name, None if facts is None else tuple(map(str, facts)))


def _named(images: Tensor | Mapping[str, object]) -> str:
    if isinstance(images, Tensor) or images.keys() == {SINGLE}:
        return "one image"
    return f"the modalities {', '.join(images)}"


def _bands(bands: Iterable[object] | None, thing: str) -> tuple[Band, ...] | None:
    return None if bands is None else parse_bands(bands, thing=thing)


def _numbers(values: Iterable[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(value) for value in values)


def _plain(value: object) -> object:
    if isinstance(value, StrEnum):
        return value.value
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _check_statistics(
    means: tuple[float, ...] | None, stds: tuple[float, ...] | None, bands: int | None
) -> None:
    statistics = {"means": means, "stds": stds}
    for name, values in statistics.items():
        other = "stds" if name == "means" else "means"
        if values is not None and statistics[other] is None:
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
    for name, values in statistics.items():
        for place, value in enumerate(values or ()):
            _check_number(f"{name}[{place}]", value, positive=name == "stds")


def _check_number(thing: str, value: float, positive: bool) -> None:
    if not math.isfinite(value):
        raise ConfigurationError(thing, f"{value} is not a number", f"Compute it; {_COMPUTE}")
    if positive and value <= 0:
        raise ConfigurationError(
            thing, f"{value} is not above zero", "Give 1 for a band that is constant."
        )
