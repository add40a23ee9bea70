"""Normalisation of batches, and the statistics it needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import yaml
from torch import nn

from terratorch.contracts.facts import Sample
from terratorch.contracts.images import normalize
from terratorch.contracts.input_spec import InputSpec
from terratorch.errors import ConfigurationError, DataError, MissingFileError


class Normalize(nn.Module):
    """Normalises the images of a batch, band by band, on the device they are on.

    Args:
        means: The mean of each band.
        stds: The standard deviation of each band.
        denormalize: Whether to undo a normalisation instead.
        time_in_channels: Whether channels may be several time steps of the bands.
    """

    def __init__(
        self,
        means: Sequence[float],
        stds: Sequence[float],
        denormalize: bool = False,
        time_in_channels: bool = False,
    ) -> None:
        super().__init__()
        self.means, self.stds = tuple(means), tuple(stds)
        self.denormalize, self.time_in_channels = denormalize, time_in_channels

    def forward(self, batch: Sample) -> Sample:
        """Return the batch with `image`, `(B, C, H, W)` or `(B, C, T, H, W)`, normalised."""
        image = normalize(
            batch["image"],
            self.means,
            self.stds,
            time_in_channels=self.time_in_channels,
            inverse=self.denormalize,
        )
        return {**batch, "image": image}


class NormalizeModalities(nn.Module):
    """Normalises the images of each modality of a batch, on the device they are on.

    Args:
        input_spec: How each is normalised.
    """

    def __init__(self, input_spec: InputSpec) -> None:
        super().__init__()
        self.input_spec = input_spec

    def forward(self, batch: Sample) -> Sample:
        """Return the batch with the images in `image`, by modality, normalised."""
        return {**batch, "image": self.input_spec.normalize(batch["image"])}


def read_numbers(values: Sequence[float] | str | None, thing: str) -> tuple[float, ...] | None:
    """Return means or standard deviations, given as a list or as a file.

    Args:
        values: Numbers, one for each band; or the path of a file: YAML or JSON as
            `terratorch compute_statistics` writes it, a list in it, or numbers one after another.
        thing: The option, which is also the key in the file: `means` or `stds`.

    Raises:
        ConfigurationError: If there is no such file, or no numbers in it.
    """
    if values is None:
        return None
    numbers = _from_file(Path(values), thing) if isinstance(values, (str, Path)) else values
    if not isinstance(numbers, (list, tuple)) or not all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in numbers
    ):
        raise ConfigurationError(
            thing, f"{numbers!r} is not a list of numbers", "Give one number for each band."
        )
    return tuple(float(value) for value in numbers)


def _from_file(path: Path, thing: str) -> object:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingFileError(
            f"{thing} {path}",
            "there is no such file",
            "Give a list of numbers, or a file that `terratorch compute_statistics` wrote.",
        ) from error
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise DataError(f"{thing} {path}", "this is not a text file") from error
    try:
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{thing} {path}", f"cannot be read: {error}") from error
    if isinstance(content, dict):
        if thing not in content:
            raise DataError(
                f"{thing} {path}",
                f"the file has no '{thing}', but: {', '.join(map(str, content))}",
                "`terratorch compute_statistics` writes such files.",
            )
        return content[thing]
    if isinstance(content, (str, int, float)):
        return _plain_numbers(str(text), f"{thing} {path}")
    return content


def _plain_numbers(text: str, thing: str) -> list[float]:
    try:
        return [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise DataError(thing, "the file holds no numbers", "One for each band.") from error
