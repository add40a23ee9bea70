"""When an image was taken: from its tags, its STAC item, or its name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

from rasterio import DatasetReader

from terratorch.errors import DataError
from terratorch.geo.raster import JOINED_TAG, images_behind, open_raster
from terratorch.geo.remote import is_virtual

# Tags that hold the time of acquisition: their GDAL domain, and their name.
_TAGS: tuple[tuple[str | None, str], ...] = (
    ("IMAGERY", "ACQUISITIONDATETIME"),
    (None, "ACQUISITIONDATETIME"),
    (None, "ACQUISITION_DATETIME"),
    (None, "ACQUISITION_DATE"),
    (None, "DATE_ACQUIRED"),
    (None, "SENSING_TIME"),
    (None, "datetime"),
)
# By the TIFF standard the time of the file, which often is that of the image.
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


@dataclass(frozen=True)
class Acquisition:
    """When an image was taken.

    Attributes:
        when: The time, in UTC.
        source: Where the time is from, for people.
    """

    when: datetime
    source: str


def acquired(image: str, map_path: Path) -> Acquisition:
    """Return when an image was taken; if that is not known, when its file was last changed.

    Args:
        image: The image; it may be gone.
        map_path: The map made from it.
    """
    try:
        known = _known(Path(image).stem, images_behind(image))
    except DataError:  # a virtual raster whose files are gone
        known = None
    if known is not None:
        return known
    path = Path(image)
    is_there = path.is_file()
    modified = (path if is_there else map_path).stat().st_mtime
    file = "image" if is_there else "map"
    return Acquisition(
        datetime.fromtimestamp(int(modified), UTC),
        f"modification time of the {file}: the acquisition is not known",
    )


def dates_of(path: Path, dataset: DatasetReader, bands: Sequence[int]) -> list[Acquisition] | None:
    """Return when each time step of an open image was taken; None if that is not known.

    Args:
        path: The image.
        dataset: The same, opened.
        bands: One band of each time step, counted from 1.
    """
    if JOINED_TAG not in dataset.tags():
        known = _known_of_open(path.stem, str(path), dataset)
        if len(bands) == 1 or known is None:
            return _several(path.stem, len(bands)) if known is None else [known]
        return _several(path.stem, len(bands))
    if len(bands) == 1:
        known = _known(path.stem, images_behind(path))
        return None if known is None else [known]
    steps = [_known(_scene_name(file, path), [file]) for file in _sources(dataset, bands)]
    known_steps = [step for step in steps if step is not None]
    return known_steps if len(known_steps) == len(bands) else None


def _several(name: str, count: int) -> list[Acquisition] | None:
    """Return the dates in a name, in order, if there are as many as time steps."""
    days = sorted({when.date(): when for when in _dates_in(name)}.values())
    known = count > 1 and len(days) == count
    return [Acquisition(when, "name of the image") for when in days] if known else None


def _sources(dataset: DatasetReader, bands: Sequence[int]) -> Iterator[str]:
    """Yield the file that holds each of some bands of a virtual raster."""
    for band in bands:
        for text in dataset.tags(band, ns="vrt_sources").values():
            name = ET.fromstring(text).findtext("SourceFilename")
            if name:
                yield name
                break


def _scene_name(file: str, scene: Path) -> str:
    """Return a file's name, after the folder it is in unless that is the scene's."""
    path = Path(file)
    return path.stem if path.parent.name == scene.stem else f"{path.parent.name} {path.stem}"


def _known(name: str, files: Sequence[str]) -> Acquisition | None:
    """Return when an image was taken.

    Args:
        name: The name of the image, without its suffix.
        files: Its files; they may be gone.
    """
    for file in files:
        for source in (_from_tags(file, _TAGS), _from_item(file)):
            if source is not None:
                return source
    day = date_in_name(name) or _date_of_all(files)
    if day is not None:
        return Acquisition(day, "name of the image")
    by_tag = (_from_tags(file, ((None, _FILE_TAG),)) for file in files)
    return next((tag for tag in by_tag if tag is not None), None)


def _known_of_open(name: str, file: str, dataset: DatasetReader) -> Acquisition | None:
    """Return when an open image of one file was taken."""
    known = _tagged(dataset, _TAGS) or _from_item(file)
    day = date_in_name(name) if known is None else None
    if day is not None:
        return Acquisition(day, "name of the image")
    return known or _tagged(dataset, ((None, _FILE_TAG),))


def _date_of_all(files: Sequence[str]) -> datetime | None:
    """Return the date in the names of files, if all that have one have the same."""
    days = [day for file in files if (day := date_in_name(Path(file).stem)) is not None]
    return days[0] if len({day.date() for day in days}) == 1 else None


def _from_tags(file: str, tags: tuple[tuple[str | None, str], ...]) -> Acquisition | None:
    try:
        with open_raster(file) as dataset:
            return _tagged(dataset, tags)
    except DataError:  # moved since it was predicted, or several images in one file
        return None


def _tagged(dataset: DatasetReader, tags: tuple[tuple[str | None, str], ...]) -> Acquisition | None:
    for domain, name in tags:
        when = parse_time(dataset.tags(ns=domain).get(name, ""))
        if when is not None:
            return Acquisition(when, f"tag {name} of the image")
    return None


def _from_item(file: str) -> Acquisition | None:
    """Return the time in a STAC item in the folder of a file, with a name like the file."""
    stem = file.removesuffix(Path(file).suffix)
    for path in (f"{stem}.json", f"{stem}_stac.json"):
        if is_virtual(file) or not os.path.isfile(path):
            continue
        try:
            item = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # another kind of file
            continue
        if isinstance(item, dict) and "stac_version" in item:
            properties = item.get("properties") or {}
            time = properties.get("datetime") or properties.get("start_datetime") or ""
            when = parse_time(str(time))
            if when is not None:
                return Acquisition(when, f"STAC item {Path(path).name}")
    return None


def parse_time(text: str) -> datetime | None:
    """Return a time in ISO 8601 or in the form of TIFF, `YYYY:MM:DD HH:MM:SS`; None for others.

    Args:
        text: The time, in UTC if it has no zone.
    """
    text = re.sub(r"^(\d{4}):(\d\d):(\d\d)", r"\1-\2-\3", text.strip())
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def date_in_name(name: str) -> datetime | None:
    """Return the date in a name; None unless there is exactly one.

    Args:
        name: The name of an image, such as `S2A_MSIL2A_20190131T102401_T32UQD`.
    """
    dates = _dates_in(name)
    return dates[0] if len({when.date() for when in dates}) == 1 else None


def _dates_in(name: str) -> list[datetime]:
    return [*_days(name), *_days_of_year(name)]


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
