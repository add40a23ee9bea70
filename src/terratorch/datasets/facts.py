"""Facts of image files: dates, place and pixel size, as batches carry them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray
from rasterio import DatasetReader
from rasterio.crs import CRS
from torch import Tensor

from terratorch.contracts.facts import Sample
from terratorch.errors import ConfigurationError
from terratorch.geo.acquisition import dates_of, parse_time
from terratorch.geo.extent import METRES_PER_DEGREE, lon_lat_points


@dataclass(frozen=True)
class GivenFacts:
    """Facts that the user gives, which replace those of the files.

    Attributes:
        dates: The date of each time step; empty if not given.
        location: Latitude and longitude in degrees; None if not given.
    """

    dates: tuple[datetime, ...] = ()
    location: tuple[float, float] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the facts that are given."""
        given = {"temporal_coords": bool(self.dates), "location_coords": self.location is not None}
        return tuple(name for name, is_given in given.items() if is_given)


@dataclass(frozen=True)
class FileFacts:
    """What is known of an image file.

    Attributes:
        crs: Its CRS; None if it has none.
        transform: From columns and rows to coordinates of the CRS; None if it is not georeferenced.
        height: Its rows.
        width: Its columns.
        dates: Year and day of year, 0 to 365, of each time step `(T, 2)`; NaN if not known.
        date_source: Where the dates are from; empty if not known.
        location: Latitude and longitude that the user gives for the whole of it.
    """

    crs: CRS | None
    transform: Affine
    height: int
    width: int
    dates: Tensor
    date_source: str = ""
    location: tuple[float, float] | None = None

    @classmethod
    def of(
        cls,
        path: Path,
        dataset: DatasetReader,
        steps: Sequence[int] = (1,),
        given: GivenFacts | None = None,
    ) -> FileFacts:
        """Read the facts of an open file.

        Args:
            path: The file.
            dataset: The same, opened.
            steps: A band of each time step, counted from 1.
            given: What the user gives.

        Raises:
            ConfigurationError: If the user gives another number of dates than time steps.
        """
        given = given or GivenFacts()
        if given.dates and len(given.dates) != len(steps):
            raise ConfigurationError(
                "date",
                f"{len(given.dates)} dates, but {path} has {len(steps)} time steps",
                "Give one date for each time step, in order.",
            )
        known = None if given.dates else dates_of(path, dataset, steps)
        dates = given.dates or [entry.when for entry in known or ()]
        transform = dataset.transform
        return cls(
            crs=None if transform.is_identity else dataset.crs,
            transform=transform,
            height=dataset.height,
            width=dataset.width,
            dates=_coordinates(dates, len(steps)),
            date_source="--date" if given.dates else known[0].source if known else "",
            location=given.location,
        )

    def of_file(self) -> Sample:
        """Return the facts of the whole file, as a sample has them."""
        corners = [(0, 0), (0, self.height), (self.width, 0), (self.width, self.height)]
        (center, *places) = self._places([(self.width / 2, self.height / 2), *corners])
        bounds = [*np.min(places, axis=0), *np.max(places, axis=0)]
        return {
            **self._placed(center),
            "bounds": torch.tensor(bounds, dtype=torch.float32),
            "crs": _crs_name(self.crs),
        }

    def of_window(self, top: int, left: int, height: int, width: int) -> dict[str, Tensor]:
        """Return the facts of a window that a model may take; its place is its centre."""
        return self._placed(*self._places([(left + width / 2, top + height / 2)]))

    def _placed(self, center: NDArray[np.float64]) -> dict[str, Tensor]:
        longitude, latitude = center.tolist()
        return {
            "temporal_coords": self.dates,
            "location_coords": torch.tensor(self.location or (latitude, longitude)),
            "gsd": torch.tensor(self._metres(latitude)),
        }

    def _places(self, pixels: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        """Return longitude and latitude of columns and rows `(N, 2)`; NaN if not known."""
        if self.crs is not None:
            points = np.array([self.transform * pixel for pixel in pixels])
            places = lon_lat_points(self.crs, points[:, 0], points[:, 1])
            if places is not None:
                return places
        return np.full((len(pixels), 2), math.nan)

    def _metres(self, latitude: float) -> float:
        """Return the side of a pixel in metres; NaN if not known."""
        if self.crs is None:
            return math.nan
        side = math.sqrt(abs(self.transform.determinant))
        if self.crs.is_geographic:
            return side * METRES_PER_DEGREE * math.sqrt(abs(math.cos(math.radians(latitude))))
        return side * float(self.crs.linear_units_factor[1])


@lru_cache
def _crs_name(crs: CRS | None) -> str:
    """Return the name of a CRS, such as `EPSG:32633`; empty without a CRS."""
    return "" if crs is None else crs.to_string()


def _coordinates(dates: Sequence[datetime], steps: int) -> Tensor:
    if not dates:
        return torch.full((steps, 2), math.nan)
    return torch.tensor(
        [(when.year, when.timetuple().tm_yday - 1) for when in dates], dtype=torch.float32
    )


def read_given_facts(dates: Sequence[str] | None, location: str | None) -> GivenFacts:
    """Read the options `date` and `location` of a prediction.

    Args:
        dates: The date of each time step, in ISO 8601.
        location: Latitude and longitude in degrees, as `LAT,LON`.

    Raises:
        ConfigurationError: If one of them is not valid.
    """
    times = []
    for text in dates or ():
        when = parse_time(text)
        if when is None:
            raise ConfigurationError(
                "date", f"'{text}' is not a date", "Write it like 2020-01-31 or 2020-01-31T10:20."
            )
        times.append(when)
    return GivenFacts(tuple(times), None if location is None else _location(location))


def _location(text: str) -> tuple[float, float]:
    try:
        latitude, longitude = map(float, text.split(","))
    except ValueError:
        latitude = longitude = math.nan
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ConfigurationError(
            "location",
            f"'{text}' is not a latitude and a longitude",
            "Give both in degrees, the latitude first, such as -33.9,18.4.",
        )
    return latitude, longitude
