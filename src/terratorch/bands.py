"""Band names, their wavelengths, and how people write a band: one table, one parser.

A band is a name (`"RED"`), a position in the file (`3`), or an inclusive interval of positions
(`(0, 5)`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum, StrEnum
from typing import TypeAlias

from terratorch.errors import ConfigurationError, did_you_mean

Band: TypeAlias = str | int | tuple[int, int]


class HLSBands(StrEnum):
    """Bands of Harmonized Landsat Sentinel-2, which also serve for Sentinel-2 and Landsat alone."""

    COASTAL_AEROSOL = "COASTAL_AEROSOL"
    BLUE = "BLUE"
    GREEN = "GREEN"
    RED = "RED"
    RED_EDGE_1 = "RED_EDGE_1"
    RED_EDGE_2 = "RED_EDGE_2"
    RED_EDGE_3 = "RED_EDGE_3"
    NIR_BROAD = "NIR_BROAD"
    NIR_NARROW = "NIR_NARROW"
    SWIR_1 = "SWIR_1"
    SWIR_2 = "SWIR_2"
    WATER_VAPOR = "WATER_VAPOR"
    CIRRUS = "CIRRUS"
    THERMAL_INFRARED_1 = "THERMAL_INFRARED_1"
    THERMAL_INFRARED_2 = "THERMAL_INFRARED_2"


class OpticalBands(StrEnum):
    """Bands of an optical sensor."""

    COASTAL_AEROSOL = "COASTAL_AEROSOL"
    BLUE = "BLUE"
    GREEN = "GREEN"
    RED = "RED"
    RED_EDGE_1 = "RED_EDGE_1"
    RED_EDGE_2 = "RED_EDGE_2"
    RED_EDGE_3 = "RED_EDGE_3"
    NIR_BROAD = "NIR_BROAD"
    NIR_NARROW = "NIR_NARROW"
    SWIR_1 = "SWIR_1"
    SWIR_2 = "SWIR_2"
    WATER_VAPOR = "WATER_VAPOR"
    CIRRUS = "CIRRUS"
    THERMAL_INFRARED_1 = "THERMAL_INFRARED_1"
    THERMAL_INFRARED_2 = "THERMAL_INFRARED_2"


class SARBands(StrEnum):
    """Polarisations of a radar, by orbit direction where it matters."""

    VV = "VV"
    VH = "VH"
    ASC_VV = "ASC_VV"
    ASC_VH = "ASC_VH"
    DSC_VV = "DSC_VV"
    DSC_VH = "DSC_VH"
    VV_VH = "VV_VH"


KNOWN_BANDS: tuple[str, ...] = tuple(band.value for band in (*HLSBands, *SARBands))

# Central wavelengths in micrometres, as the DOFA weights were trained with (arXiv:2403.15356). For
# radar they were given the frequency of Sentinel-1 in GHz instead.
WAVELENGTHS: dict[str, float] = {
    "COASTAL_AEROSOL": 0.44,
    "BLUE": 0.49,
    "GREEN": 0.56,
    "RED": 0.665,
    "RED_EDGE_1": 0.705,
    "RED_EDGE_2": 0.74,
    "RED_EDGE_3": 0.783,
    "NIR_BROAD": 0.832,
    "NIR_NARROW": 0.864,
    "WATER_VAPOR": 0.945,
    "CIRRUS": 1.373,
    "SWIR_1": 1.61,
    "SWIR_2": 2.20,
    "THERMAL_INFRARED_1": 10.9,
    "THERMAL_INFRARED_2": 12.0,
    **dict.fromkeys((band.value for band in SARBands), 5.405),
}

# Sentinel-2's own names. Landsat uses the same ones for other bands: they are read as Sentinel-2's.
SENTINEL2_BANDS: dict[str, str] = {
    "B01": "COASTAL_AEROSOL",
    "B02": "BLUE",
    "B03": "GREEN",
    "B04": "RED",
    "B05": "RED_EDGE_1",
    "B06": "RED_EDGE_2",
    "B07": "RED_EDGE_3",
    "B08": "NIR_BROAD",
    "B8A": "NIR_NARROW",
    "B09": "WATER_VAPOR",
    "B10": "CIRRUS",
    "B11": "SWIR_1",
    "B12": "SWIR_2",
}

_ENUM_PREFIX = re.compile(r"^(HLSBands|OpticalBands|SARBands)\.", re.IGNORECASE)


def _squeezed(name: str) -> str:
    """Return the key of a name: `nir-narrow` and `NIR_NARROW` have the same, and `b2` and `B02`."""
    letters = re.sub(r"[^A-Z0-9]", "", name.upper())
    return re.sub(r"^B(\d)$", r"B0\1", letters)


_BY_SQUEEZED = {_squeezed(name): name for name in KNOWN_BANDS} | SENTINEL2_BANDS


def parse_band(band: object, *, known_only: bool = False, thing: str = "bands") -> Band:
    """Read a band in any of the ways in which people write it.

    A known name comes back in its standard form (`red`, `HLSBands.RED`, `B04` -> `"RED"`). Other
    names are the user's own, such as `"NDVI"`, and come back unchanged.

    Args:
        band: A member of a band enum, a name in any case, a name of Sentinel-2, a position, or an
            inclusive interval of positions as a list or tuple of two.
        known_only: Whether a name that is in no table is an error.
        thing: What the value is called in error messages, such as a path in the configuration.

    Raises:
        ConfigurationError: If it is not one of these.
    """
    if isinstance(band, Enum):
        band = band.value
    if isinstance(band, str):
        return _parse_name(band, known_only, thing)
    if isinstance(band, int) and not isinstance(band, bool):
        return _position(band, thing)
    if isinstance(band, (list, tuple)):
        return _parse_interval(band, thing)
    raise ConfigurationError(
        thing,
        f"{band!r} is not a band",
        "Give a name such as RED, a position such as 3, or an inclusive interval such as [0, 5].",
    )


def _parse_name(name: str, known_only: bool, thing: str) -> str:
    text = name.strip()
    in_enum = _ENUM_PREFIX.match(text)
    key = _squeezed(text[in_enum.end() :] if in_enum else text)
    if key in _BY_SQUEEZED:
        return _BY_SQUEEZED[key]
    if text and not known_only and not in_enum:
        return text
    hint = did_you_mean(
        text[in_enum.end() :] if in_enum else text, (*KNOWN_BANDS, *SENTINEL2_BANDS)
    )
    raise ConfigurationError(
        thing, f"unknown band '{name}'", hint or f"Known are: {', '.join(KNOWN_BANDS)}."
    )


def _position(index: int, thing: str) -> int:
    if index < 0:
        raise ConfigurationError(thing, f"{index} is not a position", "Positions count from 0.")
    return index


def _parse_interval(interval: Sequence[object], thing: str) -> tuple[int, int]:
    match interval:
        case [int() as first, int() as last] if 0 <= first <= last:
            return first, last
    raise ConfigurationError(
        thing,
        f"{list(interval)!r} is not an interval",
        "Give the first and the last position, both included, such as [0, 5].",
    )


def parse_bands(
    bands: Iterable[object], *, known_only: bool = False, thing: str = "bands"
) -> tuple[Band, ...]:
    """Read a list of bands; see `parse_band`.

    Raises:
        ConfigurationError: If one of them is not a band; the message gives its place in the list.
    """
    if isinstance(bands, str):
        raise ConfigurationError(thing, f"'{bands}' is one name", f"Give a list: [{bands}].")
    return tuple(
        parse_band(band, known_only=known_only, thing=f"{thing}[{place}]")
        for place, band in enumerate(bands)
    )


def expand_bands(bands: Iterable[object], *, thing: str = "bands") -> tuple[str | int, ...]:
    """Read a list of bands and write out its intervals: one entry per channel."""
    expanded: list[str | int] = []
    for band in parse_bands(bands, thing=thing):
        if isinstance(band, tuple):
            expanded.extend(range(band[0], band[1] + 1))
        else:
            expanded.append(band)
    return tuple(expanded)


def generate_bands_intervals(
    bands_intervals: Iterable[object] | None = None,
) -> list[str | int] | None:
    """Write out the intervals in a list of bands; None, for all bands, stays None."""
    return None if bands_intervals is None else list(expand_bands(bands_intervals))
