"""Read maps and scenes as people look at them: classes with colours, values with a scale, RGB."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from terratorch.bands import parse_band
from terratorch.colors import NODATA_COLOR, Color, palette
from terratorch.contracts.map_tags import CLASS_NAMES_TAG
from terratorch.drawing.paint import (
    Mask,
    ValueRange,
    class_index,
    paint_classes,
    paint_rgb,
    paint_values,
    value_limits,
)
from terratorch.errors import ConfigurationError, DataError
from terratorch.geo.extent import METRES_PER_DEGREE, lon_lat_points
from terratorch.geo.raster import RasterData, open_raster, read_bands
from terratorch.geo.types import Array, DatasetReader

ColorTable: TypeAlias = dict[int, tuple[int, int, int, int]]

DEFAULT_RGB = (3, 2, 1)
"""Red, green and blue of most multispectral files, counted from 1."""

_LONGEST = 1600  # pixels of a side; larger rasters are read at a lower resolution
_DISTORTION = 0.05  # a projection that stretches pixels more is not used for measuring
_MAX_UNNAMED = 255  # ids that a map of bytes can hold in addition to nodata


@dataclass(frozen=True)
class DrawnMap:
    """One band of a map, ready to be drawn.

    Attributes:
        pixels: Class ids or values, `(h, w)`.
        hidden: Nodata pixels, `(h, w)`.
        class_names: Names in the order of ids, None for a map of values.
        colors: Colour of each class.
        label: What the values are.
        metres_per_pixel: None if unknown.
    """

    pixels: Array
    hidden: Mask
    class_names: list[str] | None
    colors: list[Color]
    label: str
    metres_per_pixel: float | None

    @property
    def is_tall(self) -> bool:
        """Whether two of them fit better side by side than one above the other."""
        height, width = self.pixels.shape
        return width < 1.6 * height

    @property
    def limits(self) -> ValueRange:
        """The ends of the scale of values."""
        return value_limits(self.pixels[~self.hidden])


def read_map(path: str | Path, band: int = 1, longest: int = _LONGEST) -> DrawnMap:
    """Read one band of a map, at a lower resolution if it is large.

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


def read_values(
    dataset: DatasetReader,
    band: int,
    window: Window | None = None,
    shape: tuple[int, int] | None = None,
) -> tuple[Array, Mask]:
    """Read a band in the unit of its values, and which pixels are nodata.

    Args:
        dataset: An open map.
        band: Counted from 1.
        window: As for `read_bands`.
        shape: As for `read_bands`.
    """
    raster = _read_real(dataset, [band], window, shape)
    pixels, hidden = raster.data[0], ~raster.valid
    scale, offset = dataset.scales[band - 1], dataset.offsets[band - 1]
    if (scale, offset) != (1, 0):
        pixels = pixels.astype(np.float32) * np.float32(scale) + np.float32(offset)
    return pixels, hidden


def _read_real(
    dataset: DatasetReader,
    bands: Sequence[int],
    window: Window | None,
    shape: tuple[int, int] | None,
) -> RasterData:
    """Read bands as `read_bands` does, and refuse complex numbers, which have no order."""
    dtypes = {dataset.dtypes[band - 1] for band in bands}
    if any(dtype.startswith("complex") for dtype in dtypes):
        raise DataError(
            dataset.name,
            f"its pixels are complex numbers ({', '.join(sorted(dtypes))})",
            "Give amplitudes or intensities: one real number a pixel.",
        )
    return read_bands(dataset, bands, window, shape)


def class_names(dataset: DatasetReader, band: int = 1) -> list[str] | None:
    """Return the class names of an open map, None if it holds values.

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
        return [f"class {index}" for index in range(_MAX_UNNAMED)]
    return None


def class_colors(dataset: DatasetReader, names: Sequence[str] | None, band: int = 1) -> list[Color]:
    """Return the colours of the classes: those of the file, else those of the palette."""
    if names is None:
        return []
    table = color_table(dataset, band)
    if any(index not in table for index in range(len(names))):
        return palette(names)
    return [table[index][:3] for index in range(len(names))]


def color_table(dataset: DatasetReader, band: int = 1) -> ColorTable:
    """Return the colour table of a band, empty if it has none."""
    try:
        table: ColorTable = dataset.colormap(band)
    except ValueError:  # raised by rasterio if there is no table
        return {}
    return table


def metres_per_pixel(dataset: DatasetReader) -> float | None:
    """Return the width of a pixel in metres, None if unknown.

    It is measured on the grid, or on the ground if the projection stretches it, as Mercator does
    far from the equator.
    """
    crs, transform = dataset.crs, dataset.transform
    if crs is None or transform.is_identity or not (crs.is_geographic or crs.is_projected):
        return None
    on_ground = _metres_on_ground(dataset)
    if crs.is_geographic:
        return on_ground
    # Along a row of pixels, which need not run from west to east.
    on_grid = math.hypot(transform.a, transform.d) * float(crs.linear_units_factor[1])
    is_true = on_ground is None or abs(on_ground / on_grid - 1) < _DISTORTION
    return on_grid if is_true else on_ground


def _metres_on_ground(dataset: DatasetReader) -> float | None:
    """Return the width of the pixel in the middle, None if it is not on the globe."""
    column, row = dataset.width / 2, dataset.height / 2
    xs, ys = dataset.transform * (np.array([column - 0.5, column + 0.5]), np.array([row, row]))
    points = lon_lat_points(dataset.crs, xs, ys)
    if points is None:
        return None
    across, up = points[1] - points[0]
    across = (across + 180) % 360 - 180  # the two may be on both sides of the antimeridian
    shrunk = across * math.cos(math.radians(points[0, 1]))
    return math.hypot(shrunk, up) * METRES_PER_DEGREE


def reduced_shape(height: int, width: int, longest: int = _LONGEST) -> tuple[int, int]:
    """Return height and width scaled down so that neither exceeds `longest`."""
    step = max(height, width, longest) / longest
    return max(1, round(height / step)), max(1, round(width / step))


def check_bands(dataset: DatasetReader, bands: Sequence[int], option: str) -> None:
    """Check that an open raster has the bands that an option names.

    Raises:
        ConfigurationError: If it does not.
    """
    missing = [band for band in bands if not 1 <= band <= dataset.count]
    if missing:
        raise ConfigurationError(
            option,
            f"{dataset.name} has {dataset.count} band{'s' * (dataset.count > 1)}, "
            f"and no band {', '.join(map(str, missing))}",
            "Bands are counted from 1.",
        )


def rgb_bands(dataset: DatasetReader) -> list[int]:
    """Return the bands of an open scene for red, green and blue, counted from 1.

    They are found by name (`RED`, `B04`), then by the colours of the format; else they are the
    third, second and first, as in most multispectral files. A file with fewer bands is grey.
    """
    named = [parse_band(name) if name else None for name in dataset.descriptions]
    for kinds, rgb in (
        (named, ("RED", "GREEN", "BLUE")),
        (dataset.colorinterp, (ColorInterp.red, ColorInterp.green, ColorInterp.blue)),
    ):
        if all(kind in kinds for kind in rgb):
            return [list(kinds).index(kind) + 1 for kind in rgb]
    return list(DEFAULT_RGB) if dataset.count >= max(DEFAULT_RGB) else [1, 1, 1]


def read_image(
    path: str | Path, rgb: Sequence[int] | None = None, longest: int = _LONGEST
) -> NDArray[np.uint8]:
    """Read a scene as a picture `(h, w, 3)`; nodata is white.

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
        return paint_rgb(*read_rgb(dataset, bands, shape=shape))


def read_rgb(
    dataset: DatasetReader,
    bands: Sequence[int],
    window: Window | None = None,
    shape: tuple[int, int] | None = None,
) -> tuple[NDArray[np.float32], Mask]:
    """Read bands of an open scene as `(h, w, C)`, and where one of them is nodata.

    Args:
        dataset: An open scene.
        bands: Counted from 1.
        window: As for `read_bands`.
        shape: As for `read_bands`.
    """
    raster = _read_real(dataset, bands, window, shape)
    return np.moveaxis(raster.data.astype(np.float32), 0, -1), ~raster.valid


def paint(drawn: DrawnMap, limits: ValueRange | None = None) -> NDArray[np.uint8]:
    """Return a map as colours, `(h, w, 3)`.

    Args:
        drawn: The map.
        limits: The ends of the scale of values, by default its own.
    """
    if drawn.class_names is None:
        return paint_values(drawn.pixels, limits or drawn.limits, drawn.hidden)
    return paint_classes(drawn.pixels, drawn.colors, drawn.hidden)


def legend(drawn: DrawnMap) -> list[tuple[Color, str]]:
    """Return colour and text of each class that a map of classes has, with its share of pixels."""
    index = class_index(drawn.pixels, len(drawn.colors), drawn.hidden)
    *counts, without = np.bincount(index.ravel(), minlength=len(drawn.colors) + 1).tolist()
    total = sum(counts)
    entries = [
        (color, f"{name}  {share_text(count, total)}")
        for name, color, count in zip(drawn.class_names or (), drawn.colors, counts, strict=True)
        if count
    ]
    return entries + ([(NODATA_COLOR, "no data")] if without else [])


def share_text(count: int, total: int) -> str:
    """Return a share in per cent, `< 1 %` if it would be rounded to nothing."""
    return f"{100 * count / total:.0f} %" if count * 200 >= total else "< 1 %"
