"""Which band a file holds, by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from terratorch.bands import KNOWN_BANDS, SENTINEL2_BANDS

# Landsat's OLI and TIRS, whose numbers are those of other bands of Sentinel-2 (Landsat 8-9
# Collection 2 data format control book; L30 of Harmonized Landsat Sentinel-2).
_LANDSAT8_BANDS = {
    "B01": "COASTAL_AEROSOL",
    "B02": "BLUE",
    "B03": "GREEN",
    "B04": "RED",
    "B05": "NIR_NARROW",
    "B06": "SWIR_1",
    "B07": "SWIR_2",
    "B09": "CIRRUS",
    "B10": "THERMAL_INFRARED_1",
    "B11": "THERMAL_INFRARED_2",
}
_LANDSAT8 = re.compile(r"^(L[COT]0[89]_|HLS\.L30\.)", re.IGNORECASE)
_LANDSAT_BEFORE = re.compile(r"^L[ETM]0[1-7]_", re.IGNORECASE)
# The masks of a Sentinel-2 product have the names of bands.
_MASK = re.compile(r"^MSK_", re.IGNORECASE)


def band_in(name: str, extra: Iterable[str] = ()) -> str | None:
    """Return the standard name of the one band that a name contains as a word; None if not one.

    `scene_RED_EDGE_1`, `red-edge-1` and `T33UUP_20200101_B05_20m` are one band. Numbers are those
    of Sentinel-2, but of Landsat 8 and 9 in names that begin as theirs.

    Args:
        name: The name of a file without its suffix, or the description of a band.
        extra: Further names, which are in no table.
    """
    return split_band(name, extra)[1]


def split_band(name: str, extra: Iterable[str] = ()) -> tuple[str, str | None]:
    """Return a name without that of its band, and the band; the whole name and None if not one.

    Args:
        name: The name of a file without its suffix, or the description of a band.
        extra: Further names, which are in no table.
    """
    if _MASK.match(name):
        return name, None
    text = name.upper()
    matches = [
        (match.start(), match.end(), band)
        for pattern, band in _patterns(_numbered(name), frozenset(extra))
        if (match := pattern.search(text))
    ]
    # RED is not meant where RED_EDGE_1 is.
    widest = {
        band: (begin, end)
        for begin, end, band in matches
        if not any(
            first <= begin and end <= last and (first, last) != (begin, end)
            for first, last, _ in matches
        )
    }
    if len(widest) != 1:
        return name, None
    ((band, (begin, end)),) = widest.items()
    return name[:begin] + name[end:], band


def _numbered(name: str) -> str:
    if _LANDSAT_BEFORE.match(name):
        return ""
    return "landsat" if _LANDSAT8.match(name) else "sentinel"


@lru_cache
def _patterns(numbered: str, extra: frozenset[str]) -> list[tuple[re.Pattern[str], str]]:
    numbers = {"sentinel": SENTINEL2_BANDS, "landsat": _LANDSAT8_BANDS}.get(numbered, {})
    words = [
        (re.escape(band.upper()).replace("_", "[^A-Z0-9]?"), band)
        for band in extra | {*KNOWN_BANDS}
    ]
    words += [(re.sub("^B0", "B0?", number), band) for number, band in numbers.items()]
    return [(re.compile(rf"(?<![A-Z0-9]){word}(?![A-Z0-9])"), band) for word, band in words]
