"""When an image was taken, as far as its tags and its name tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from terratorch.errors import DataError
from terratorch.geo.raster import images_behind, open_raster

# Tags that hold the time of acquisition: the domain of GDAL, and the name.
_TAGS: tuple[tuple[str | None, str], ...] = (
    ("IMAGERY", "ACQUISITIONDATETIME"),
    (None, "ACQUISITIONDATETIME"),
    (None, "ACQUISITION_DATETIME"),
    (None, "ACQUISITION_DATE"),
    (None, "DATE_ACQUIRED"),
    (None, "SENSING_TIME"),
    (None, "datetime"),
)
# Of the file, by the standard of TIFF, and often of the image.
_FILE_TAG = "TIFFTAG_DATETIME"

# 20190131, 20190131T102401, 2019-01-31, 2019_01_31
_DAY = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-_]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])"
    r"(?:[T_]?([01]\d|2[0-3])([0-5]\d)([0-5]\d))?(?!\d)"
)
# 2019031, 2019031T102401: the day of the year, as in the names of HLS
_DAY_OF_YEAR = re.compile(
    r"(?<!\d)((?:19|20)\d\d)(00[1-9]|0[1-9]\d|[12]\d\d|3[0-5]\d|36[0-6])"
    r"(?:T([01]\d|2[0-3])([0-5]\d)([0-5]\d))?(?!\d)"
)


def acquired(image: str, map_path: Path) -> tuple[datetime, str]:
    """Return when an image was taken, and what says so.

    Args:
        image: The image; it need not be there any more.
        map_path: The map of it.

    Returns:
        The time, in UTC, and its source. Without a tag or a date in the name it is that of the
        file, and the source says that it is no more than that.
    """
    found = _from_tags(image, _TAGS)
    if found is not None:
        return found
    day = date_in_name(Path(image).stem)
    if day is not None:
        return day, "name of the image"
    found = _from_tags(image, ((None, _FILE_TAG),))
    if found is not None:
        return found
    path = Path(image)
    if path.is_file():
        modified, of = path.stat().st_mtime, "image"
    else:
        modified, of = map_path.stat().st_mtime, "map"
    return (
        datetime.fromtimestamp(int(modified), UTC),
        f"modification time of the {of}: the acquisition is not known",
    )


def _from_tags(image: str, tags: tuple[tuple[str | None, str], ...]) -> tuple[datetime, str] | None:
    try:
        for file in images_behind(image):
            with open_raster(file) as dataset:
                for domain, name in tags:
                    when = parse_time(dataset.tags(ns=domain).get(name, ""))
                    if when is not None:
                        return when, f"tag {name} of the image"
    except DataError:  # it was moved since it was predicted, or is no file of one image
        return None
    return None


def parse_time(text: str) -> datetime | None:
    """Return a time from ISO 8601 or the form of TIFF, `YYYY:MM:DD HH:MM:SS`; None for others.

    Args:
        text: A time without a zone is in UTC.
    """
    text = re.sub(r"^(\d{4}):(\d\d):(\d\d)", r"\1-\2-\3", text.strip())
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def date_in_name(name: str) -> datetime | None:
    """Return the date in a name; None where there is none, or where there are several.

    Args:
        name: The name of an image, such as `S2A_MSIL2A_20190131T102401_T32UQD`.
    """
    found = [*_days(name), *_days_of_year(name)]
    days = {when.date() for when in found}
    return found[0] if len(days) == 1 else None


def _days(name: str) -> Iterator[datetime]:
    for match in _DAY.finditer(name):
        year, _, month, day, *time = match.groups(default="0")
        hour, minute, second = map(int, time)
        try:
            yield datetime(int(year), int(month), int(day), hour, minute, second, tzinfo=UTC)
        except ValueError:  # the 31st of a shorter month is another number
            continue


def _days_of_year(name: str) -> Iterator[datetime]:
    for match in _DAY_OF_YEAR.finditer(name):
        year, day, hour, minute, second = map(int, match.groups(default="0"))
        start = datetime(year, 1, 1, hour, minute, second, tzinfo=UTC)
        when = start + timedelta(days=day - 1)
        if when.year == year:
            yield when
