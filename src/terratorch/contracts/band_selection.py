"""Which bands of a file are read, and in which order."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from terratorch.bands import expand_bands
from terratorch.contracts.band_names import band_in
from terratorch.errors import ConfigurationError, DataError, did_you_mean
from terratorch.logs import warn_once

logger = logging.getLogger(__name__)

_RGB = ("RED", "GREEN", "BLUE")


class BandSelection:
    """The bands that are read from each file.

    Args:
        dataset_bands: The bands of a file, in order; None if they have no names.
        output_bands: The bands to read, in order; None for all. A position counts from the first
            band of the file, unless `dataset_bands` holds positions: then it is one of these.
        expand_time: Whether a file holds these bands several times, once for each time step.
        band_major: Whether all time steps of a band follow each other in the file, instead of all
            bands of a time step.
    """

    def __init__(
        self,
        dataset_bands: Iterable[object] | None,
        output_bands: Iterable[object] | None,
        *,
        expand_time: bool = False,
        band_major: bool = False,
    ) -> None:
        self.file_bands = _expand(dataset_bands, "dataset_bands")
        selected = _expand(output_bands, "output_bands")
        self.expand_time, self._band_major = expand_time, band_major
        if expand_time and self.file_bands is None:
            raise ConfigurationError(
                "dataset_bands",
                "not given, but expand_temporal_dimension needs to know the bands of one time step",
                "List the bands of one time step, in the order of the file.",
            )
        self._places = _places(self.file_bands, selected)
        self.names = _names(self.file_bands, selected, self._places)
        self._described: tuple[str | None, ...] = ()  # by the file before

    @property
    def count(self) -> int | None:
        """How many bands are read of each time step; None if that depends on the file."""
        return None if self.names is None else len(self.names)

    @property
    def has_rgb(self) -> bool:
        """Whether it is known which of the bands are RED, GREEN and BLUE."""
        return all((self.names or ()).count(color) == 1 for color in _RGB)

    def rgb_places(self) -> tuple[int, ...]:
        """Return which of the bands are RED, GREEN and BLUE; the first three where these lack."""
        names = self.names or ()
        return tuple(names.index(color) for color in _RGB) if self.has_rgb else (0, 1, 2)

    def indexes(self, path: Path, count: int) -> tuple[int, ...]:
        """Return the bands to read from a file, counted from 1.

        They come band after band, with the time steps of each together, so that they reshape
        to `(C, T, H, W)` without a copy.

        Args:
            path: The file, for error messages.
            count: How many bands it has.

        Raises:
            DataError: If the file has other bands than expected.
        """
        self._check_count(path, count)
        size = count if self.file_bands is None else len(self.file_bands)
        places = range(size) if self._places is None else self._places
        if not self.expand_time:
            return tuple(place + 1 for place in places)
        steps = count // size
        if self._band_major:
            return tuple(place * steps + step + 1 for place in places for step in range(steps))
        return tuple(step * size + place + 1 for place in places for step in range(steps))

    def steps(self, count: int) -> tuple[int, ...]:
        """Return a band of each time step of a file with `count` bands, counted from 1."""
        if not self.expand_time or self.file_bands is None:
            return (1,)
        size = len(self.file_bands)
        stride = 1 if self._band_major else size
        return tuple(1 + step * stride for step in range(count // size))

    def check_order(self, path: Path, descriptions: Sequence[str | None]) -> None:
        """Warn once if a file describes its bands in another order than `dataset_bands`.

        Descriptions of other bands are ignored: sensors number their bands in several ways.

        Args:
            path: The file, for the message.
            descriptions: The description of each of its bands.
        """
        swapped = () if self.expand_time else _swapped(self.file_bands or (), tuple(descriptions))
        if swapped:
            warn_once(
                logger,
                "%s: its bands are described in another order than in dataset_bands: %s%s. "
                "The order of dataset_bands is used; if the descriptions are right, results are "
                "wrong. (logged once)",
                path,
                "; ".join(swapped[:2]),
                f"; and {len(swapped) - 2} more" if len(swapped) > 2 else "",
                key=self.file_bands,
            )

    def _check_count(self, path: Path, count: int) -> None:
        if self.file_bands is None:
            if self._places is not None and max(self._places) >= count:
                raise DataError(
                    str(path),
                    f"{_bands(count)}, but output_bands asks for position {max(self._places)}",
                    f"Positions count from 0: the last one is {count - 1}.",
                )
            return
        expected = len(self.file_bands)
        if self.expand_time and count % expected:
            raise DataError(
                str(path),
                f"{_bands(count)}, which is not a multiple of the {expected} in dataset_bands",
                "With expand_temporal_dimension, list the bands of one time step.",
            )
        if not self.expand_time and count != expected:
            several = " Or set expand_temporal_dimension if these are several time steps."
            raise DataError(
                str(path),
                f"{_bands(count)}, but dataset_bands lists {expected}: {_listed(self.file_bands)}",
                "List every band of the file, in its order; output_bands chooses among them."
                + (several if count % expected == 0 and count > 1 else ""),
            )


@lru_cache
def _swapped(
    expected: tuple[str | int, ...], descriptions: tuple[str | None, ...]
) -> tuple[str, ...]:
    """Return which bands are described as another one of those expected."""
    known = {band for band in expected if isinstance(band, str)}
    described = [band_in(text, known) if text else None for text in descriptions]
    named = [band for band in described if band is not None]
    if len(named) != len(set(named)):
        return ()
    swapped = tuple(
        f"band {place} is {band}, in dataset_bands {expected[place - 1]}"
        for place, band in enumerate(described, start=1)
        if band in known and band != expected[place - 1]
    )
    return swapped if len(swapped) > 1 else ()


def _expand(bands: Iterable[object] | None, thing: str) -> tuple[str | int, ...] | None:
    if bands is None:
        return None
    expanded = expand_bands(bands, thing=thing)
    if not expanded:
        raise ConfigurationError(thing, "an empty list", "Omit it for all bands.")
    return expanded


def _places(
    file_bands: tuple[str | int, ...] | None, wanted: tuple[str | int, ...] | None
) -> tuple[int, ...] | None:
    if wanted is None:
        return None
    return tuple(_place(file_bands, band, f"output_bands[{i}]") for i, band in enumerate(wanted))


def _names(
    file_bands: tuple[str | int, ...] | None,
    wanted: tuple[str | int, ...] | None,
    places: tuple[int, ...] | None,
) -> tuple[str | int, ...] | None:
    """Return what the bands wanted are called in the files: a position may mean a name."""
    if places is None:
        return file_bands
    return wanted if file_bands is None else tuple(file_bands[place] for place in places)


def _place(file_bands: tuple[str | int, ...] | None, band: str | int, thing: str) -> int:
    if file_bands is None:
        if isinstance(band, int):
            return band
        raise ConfigurationError(
            thing,
            f"'{band}' is a name, but dataset_bands is not given",
            "List the bands of the files in dataset_bands, in their order.",
        )
    found = [place for place, name in enumerate(file_bands) if name == band]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(
            thing,
            f"{band!r} is in dataset_bands {len(found)} times",
            "Give each band its own name; several time steps are read with "
            "expand_temporal_dimension.",
        )
    by_place = isinstance(band, int) and all(isinstance(name, str) for name in file_bands)
    if isinstance(band, int) and by_place and band < len(file_bands):
        return band
    hint = did_you_mean(str(band), [str(name) for name in file_bands])
    raise ConfigurationError(
        thing,
        f"{band!r} is not in dataset_bands",
        hint or f"dataset_bands lists: {_listed(file_bands)}.",
    )


def _bands(count: int) -> str:
    return f"{count} band{'' if count == 1 else 's'}"


def _listed(bands: Iterable[str | int]) -> str:
    return ", ".join(str(band) for band in bands)
