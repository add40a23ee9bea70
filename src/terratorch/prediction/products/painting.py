"""Read maps and scenes as people look at them: classes with colours, values with a scale, RGB.

It needs neither torch nor matplotlib, so that looking at a map starts at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from terratorch.bands import parse_band
from terratorch.colors import NODATA_COLOR, VIRIDIS, Color, color_ramp, palette
from terratorch.errors import ConfigurationError, DataError
from terratorch.geo.extent import METRES_PER_DEGREE, lon_lat_points
from terratorch.geo.raster import Raster, open_raster, read_bands
from terratorch.prediction.map_tags import CLASS_NAMES_TAG

DEFAULT_RGB = (3, 2, 1)
"""Red, green and blue of most multispectral files, counted from 1."""

_LONGEST = 1600  # pixels of a side; a larger raster is read at a lower resolution
_DISTORTION = 0.05  # more of it is not that of a map made for where it lies
_PERCENTILES = (2, 98)
_SCALE_STEPS = 256
_MOST_UNNAMED = 255  # ids that a map of bytes can hold beside nodata


@dataclass(frozen=True)
class DrawnMap:
    """A map as it is drawn.

    Attributes:
        pixels: Class ids or values, `(h, w)`.
        hidden: Where there is nodata, `(h, w)`.
        class_names: Names in the order of ids, None for a map of values.
        colors: Of each class.
        label: What the values are.
        metres_per_pixel: None where it is not known.
    """

    pixels: NDArray[Any]
    hidden: NDArray[np.bool_]
    class_names: list[str] | None
    colors: list[Color]
    label: str
    metres_per_pixel: float | None

    @property
    def is_tall(self) -> bool:
        """Whether two of it fit better side by side than one above the other."""
        height, width = self.pixels.shape
        return width < 1.6 * height

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the scale of values."""
        return value_limits(self.pixels[~self.hidden])


def read_map(path: str | Path, band: int = 1, longest: int = _LONGEST) -> DrawnMap:
    """Read one band of a map, at a lower resolution where it is large.

    Raises:
        MissingFileError: If there is no such file.
        DataError: If it is not a raster.
        ConfigurationError: If it has no such band.
    """
    with open_raster(path) as dataset:
        check_bands(dataset, [band], "band")
        shape = reduced_shape(dataset.height, dataset.width, longest)
        pixels, hidden = read_values(dataset, band, shape=shape)
        names = class_names(dataset, band)
        colors = class_colors(dataset, names, band)
        metres = metres_per_pixel(dataset)
        label = dataset.descriptions[band - 1] or ""
    if metres is not None:
        metres *= dataset.width / shape[1]
    return DrawnMap(pixels, hidden, names, colors, label, metres)


def read_values(dataset: Any, band: int, **how: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a band of an open map, in the unit of its values, and where it is hidden.

    Args:
        dataset: An open `rasterio.DatasetReader`.
        band: Which one, counted from 1.
        how: `window` and `shape` of `read_bands`.
    """
    raster = _read_real(dataset, [band], **how)
    pixels, hidden = raster.data[0], _hidden(raster)
    scale, offset = dataset.scales[band - 1], dataset.offsets[band - 1]
    if (scale, offset) != (1, 0):
        pixels = pixels.astype(np.float32) * np.float32(scale) + np.float32(offset)
    return pixels, hidden


def _read_real(dataset: Any, bands: Sequence[int], **how: Any) -> Raster:
    """Read bands as `read_bands` does.

    Raises:
        DataError: If they hold complex numbers, of which none is larger than another.
    """
    kinds = {dataset.dtypes[band - 1] for band in bands}
    if any(kind.startswith("complex") for kind in kinds):
        raise DataError(
            dataset.name,
            f"its pixels are complex numbers ({', '.join(sorted(kinds))})",
            "Give amplitudes or intensities: one real number a pixel.",
        )
    return read_bands(dataset, bands, **how)


def _hidden(raster: Raster) -> NDArray[np.bool_]:
    """Return where one of the bands is hidden, `(h, w)`."""
    if raster.invalid is None:
        return np.zeros(raster.data.shape[1:], bool)
    return np.logical_or.reduce(raster.invalid)


def class_names(dataset: Any, band: int = 1) -> list[str] | None:
    """Return the names of the classes of an open map, None where it holds values.

    Raises:
        DataError: If the names cannot be read.
    """
    if np.dtype(dataset.dtypes[band - 1]).kind not in "iu":
        return None
    listed = dataset.tags().get(CLASS_NAMES_TAG)
    if listed is not None:
        try:
            return [str(name) for name in json.loads(listed)]
        except (ValueError, TypeError) as error:
            raise DataError(
                dataset.name,
                f"its tag {CLASS_NAMES_TAG} is not a JSON list of names: {listed[:60]}",
                'Write it as ["forest", "water"].',
            ) from error
    is_plain = (dataset.scales[band - 1], dataset.offsets[band - 1]) == (1, 0)
    if dataset.dtypes[band - 1] == "uint8" and dataset.count == 1 and is_plain:
        return [f"class {index}" for index in range(_MOST_UNNAMED)]
    return None


def class_colors(dataset: Any, names: Sequence[str] | None, band: int = 1) -> list[Color]:
    """Return the colours of the classes: those of the file, else what people expect."""
    if names is None:
        return []
    try:
        table = dataset.colormap(band)
    except ValueError:  # rasterio's answer where there is none
        return palette(names)
    if any(index not in table for index in range(len(names))):
        return palette(names)
    return [table[index][:3] for index in range(len(names))]


def metres_per_pixel(dataset: Any) -> float | None:
    """Return the width of a pixel in metres, None where it is not known.

    It is that of the grid, unless the ground is another, as of Mercator maps far from the equator.
    """
    crs, transform = dataset.crs, dataset.transform
    if crs is None or transform.is_identity or not (crs.is_geographic or crs.is_projected):
        return None
    on_ground = _metres_on_ground(dataset)
    if crs.is_geographic:
        return on_ground
    # Along a row of pixels, which need not run from west to east.
    on_grid = math.hypot(transform.a, transform.d) * float(crs.linear_units_factor[1])
    is_alike = on_ground is None or abs(on_ground / on_grid - 1) < _DISTORTION
    return on_grid if is_alike else on_ground


def _metres_on_ground(dataset: Any) -> float | None:
    """Return the width of the pixel in the middle, None where it has no place on the globe."""
    column, row = dataset.width / 2, dataset.height / 2
    xs, ys = dataset.transform * (np.array([column - 0.5, column + 0.5]), np.array([row, row]))
    points = lon_lat_points(dataset.crs, xs, ys)
    if points is None:
        return None
    across, up = points[1] - points[0]
    across = (across + 180) % 360 - 180  # where the antimeridian lies between the two
    shrunk = across * math.cos(math.radians(points[0, 1]))
    return math.hypot(shrunk, up) * METRES_PER_DEGREE


def reduced_shape(height: int, width: int, longest: int = _LONGEST) -> tuple[int, int]:
    """Return height and width of which none is longer."""
    step = max(height, width, longest) / longest
    return max(1, round(height / step)), max(1, round(width / step))


def check_bands(dataset: Any, bands: Sequence[int], option: str) -> None:
    """Check that an open raster has some bands.

    Raises:
        ConfigurationError: If it does not; the message names the option that chose them.
    """
    wrong = [band for band in bands if not 1 <= band <= dataset.count]
    if wrong:
        raise ConfigurationError(
            option,
            f"{dataset.name} has {dataset.count} band{'s' * (dataset.count > 1)}, "
            f"and no band {', '.join(map(str, wrong))}",
            "Bands are counted from 1.",
        )


def rgb_bands(dataset: Any) -> list[int]:
    """Return the bands of an open scene for red, green and blue, counted from 1.

    They are found by name (`RED`, `B04`), else as the colours of the format; else they are the
    third, second and first, as of most multispectral files. A file with fewer bands is grey.
    """
    named = [parse_band(name) if name else None for name in dataset.descriptions]
    for kinds, wanted in (
        (named, ("RED", "GREEN", "BLUE")),
        (dataset.colorinterp, (ColorInterp.red, ColorInterp.green, ColorInterp.blue)),
    ):
        if all(kind in kinds for kind in wanted):
            return [list(kinds).index(kind) + 1 for kind in wanted]
    return list(DEFAULT_RGB) if dataset.count >= max(DEFAULT_RGB) else [1, 1, 1]


def read_image(
    path: str | Path, rgb: Sequence[int] | None = None, longest: int = _LONGEST
) -> NDArray[np.float32]:
    """Return a scene as `(h, w, 3)` in 0 to 1, white where there is nodata.

    Args:
        path: The file.
        rgb: The bands for red, green and blue, counted from 1, by default those of `rgb_bands`; an
            image with fewer bands is grey.
        longest: A larger image is read at a lower resolution.
    """
    with open_raster(path) as dataset:
        bands = rgb_bands(dataset) if rgb is None else list(rgb)
        bands = bands if dataset.count >= max(bands) else [1, 1, 1]
        shape = reduced_shape(dataset.height, dataset.width, longest)
        pixels, hidden = read_rgb(dataset, bands, shape=shape)
    pixels = stretch(pixels, stretch_limits(pixels, hidden))
    pixels[hidden] = 1
    return pixels


def read_rgb(
    dataset: Any, bands: Sequence[int], **how: Any
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read bands of an open scene as `(h, w, C)`, and where one of them is hidden.

    Args:
        dataset: An open `rasterio.DatasetReader`.
        bands: Counted from 1.
        how: `window` and `shape` of `read_bands`.
    """
    raster = _read_real(dataset, bands, **how)
    return np.moveaxis(raster.data.astype(np.float32), 0, -1), _hidden(raster)


def stretch_limits(pixels: NDArray[np.float32], hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return what becomes black and white in each band, `(2, C)`: two percentiles."""
    seen = pixels[~hidden]
    if not seen.size:
        return np.stack([np.zeros(pixels.shape[-1]), np.ones(pixels.shape[-1])]).astype(np.float32)
    return np.percentile(seen, _PERCENTILES, axis=0).astype(np.float32)


def stretch(pixels: NDArray[np.float32], limits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return pixels `(h, w, C)` in 0 to 1, between the limits of each band."""
    low, high = limits
    return np.clip((pixels - low) / np.maximum(high - low, 1e-12), 0, 1, dtype=np.float32)


def value_limits(values: NDArray[Any]) -> tuple[float, float]:
    """Return the ends of a scale of values, which a few outliers do not stretch."""
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, _PERCENTILES)
    return float(low), float(high)


def paint(drawn: DrawnMap, limits: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """Return a map as colours, `(h, w, 3)`.

    Args:
        drawn: The map.
        limits: The ends of the scale of values, by default its own.
    """
    if drawn.class_names is None:
        colors = color_ramp(VIRIDIS, _SCALE_STEPS)
        steps = scale_index(drawn.pixels, limits or drawn.limits, _SCALE_STEPS)
        index = np.where(drawn.hidden, len(colors), steps)
    else:
        colors, index = drawn.colors, _class_index(drawn)
    table = np.array([*colors, NODATA_COLOR], dtype=np.uint8)
    return table.take(index, axis=0)


def _class_index(drawn: DrawnMap) -> NDArray[np.intp]:
    """Return the class of each pixel, one more than there are where it has none: nodata too."""
    count = len(drawn.colors)
    # Labels mark by such ids, -1 or 255, what has no label.
    has_none = drawn.hidden | (drawn.pixels < 0) | (drawn.pixels >= count)
    return np.where(has_none, count, drawn.pixels).astype(np.intp)


def scale_index(values: NDArray[Any], limits: tuple[float, float], steps: int) -> NDArray[np.intp]:
    """Return which step of a scale each value falls on, 0 to `steps - 1`; NaN is 0."""
    low, high = limits
    scaled = (values.astype(np.float32) - low) * (steps / max(high - low, 1e-12))
    return np.clip(np.nan_to_num(scaled), 0, steps - 1).astype(np.intp)


def legend(drawn: DrawnMap) -> list[tuple[Color, str]]:
    """Return colour and text of each class that a map has, with its share of the valid pixels."""
    assert drawn.class_names is not None
    *counts, without = np.bincount(
        _class_index(drawn).ravel(), minlength=len(drawn.colors) + 1
    ).tolist()
    total = sum(counts)
    entries = [
        (color, f"{name}  {share_text(count, total)}")
        for name, color, count in zip(drawn.class_names, drawn.colors, counts, strict=True)
        if count
    ]
    return entries + ([(NODATA_COLOR, "no data")] if without else [])


def share_text(count: int, total: int) -> str:
    """Return a share in per cent, `< 1 %` where it would be rounded to nothing."""
    return f"{100 * count / total:.0f} %" if count * 200 >= total else "< 1 %"
