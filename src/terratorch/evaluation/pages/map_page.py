"""Write a page with an interactive map: swipe to the scene, legend, value at the pointer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import rasterio

from terratorch.drawing.maps import check_bands, class_names, rgb_bands
from terratorch.errors import ConfigurationError
from terratorch.evaluation.pages.map_page_content import ShownMap
from terratorch.evaluation.pages.map_page_layers import (
    ClassLayer,
    PageLayer,
    SceneLayer,
    ValueLayer,
)
from terratorch.evaluation.pages.map_page_location import check_same_grid
from terratorch.evaluation.pages.map_page_pyramid import build_pyramids
from terratorch.evaluation.pages.page import render_page, write_page
from terratorch.geo.raster import open_raster
from terratorch.geo.types import DatasetReader

DEFAULT_MEGABYTES = 25.0
"""Small enough for mail and chat programs."""


_FRAME_BYTES = 200_000  # Leaflet, style sheets and scripts: a page without tiles
_GDAL_CACHE = 128 * 2**20  # bytes; the default is 5 % of the memory of the computer


@dataclass(frozen=True)
class MapPage:
    """A written page.

    Attributes:
        path: The file.
        step: Pixels of the map per shown pixel, along one side.
        metres: The width of a shown pixel, None if unknown.
        bands: Number of bands of the map, of which one is shown.
    """

    path: Path
    step: int
    metres: float | None
    bands: int


def write_map_page(
    map_path: str | Path,
    page_path: str | Path,
    *,
    image_path: str | Path | None = None,
    labels_path: str | Path | None = None,
    rgb: Sequence[int] | None = None,
    band: int = 1,
    title: str | None = None,
    megabytes: float = DEFAULT_MEGABYTES,
) -> MapPage:
    """Write a page that shows a map, as one file that makes no requests.

    Memory depends on the width of the map and the size of the page, not on the height of the map.

    Args:
        map_path: A map from `terratorch predict`: classes, values or probabilities.
        page_path: The page.
        image_path: The scene of the map, on the same grid.
        labels_path: Labels with the same classes or values, on the same grid.
        rgb: The bands of the scene for red, green and blue, counted from 1; by default found by
            name, else 3, 2 and 1.
        band: The band of the map.
        title: The heading, by default the name of the map.
        megabytes: The largest size of the page; larger maps are shown at a lower resolution.

    Raises:
        MissingFileError: If a file does not exist.
        DataError: If a file is not a raster, or scene or labels have another grid than the map.
        ConfigurationError: If a band does not exist, or `rgb` is given without a scene.
    """
    if rgb is not None and image_path is None:
        raise ConfigurationError(
            "rgb", "given without a scene", "Give the scene as well (--image)."
        )
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=_GDAL_CACHE))
        dataset = stack.enter_context(open_raster(map_path))
        check_bands(dataset, [band], "band")
        names = class_names(dataset, band)
        drawn = _map_layer(dataset, band, names)
        layers = _layers_below(stack, drawn, image_path, labels_path, rgb) | {"map": drawn}
        budget = int(megabytes * 1e6) - _FRAME_BYTES
        pyramids, step = build_pyramids(
            list(layers.values()), dataset.height, dataset.width, budget
        )
        tiles = dict(zip(layers, pyramids, strict=True))
        heading = title or Path(map_path).name
        shown = ShownMap(heading, dataset, band, names, step, layers, tiles)
        text = render_page("map.html", **shown.context())
        page = MapPage(Path(page_path), step, shown.shown_metres, dataset.count)
    write_page(page_path, text)
    return page


def _layers_below(
    stack: ExitStack,
    drawn: PageLayer,
    image_path: str | Path | None,
    labels_path: str | Path | None,
    rgb: Sequence[int] | None,
) -> dict[str, PageLayer]:
    """Open scene and labels; the stack closes them."""

    def on_grid(path: str | Path, what: str) -> DatasetReader:
        dataset = stack.enter_context(open_raster(path))
        check_same_grid(dataset, drawn.dataset, what)
        return dataset

    layers: dict[str, PageLayer] = {}
    if image_path is not None:
        layers["scene"] = _scene_layer(on_grid(image_path, "scene"), rgb)
    if labels_path is not None:
        layers["labels"] = _labels_layer(on_grid(labels_path, "labels"), drawn)
    return layers


def _map_layer(dataset: DatasetReader, band: int, names: Sequence[str] | None) -> PageLayer:
    if names is None:
        return ValueLayer(dataset, band)
    return ClassLayer(dataset, band, len(names))


def _labels_layer(labels: DatasetReader, drawn: PageLayer) -> PageLayer:
    """Show labels in the colours of the map; ids outside the classes count as nodata."""
    if isinstance(drawn, ValueLayer):
        return ValueLayer(labels, 1, drawn.limits)
    assert isinstance(drawn, ClassLayer)
    return ClassLayer(labels, 1, drawn.classes, ignore_others=True)


def _scene_layer(scene: DatasetReader, rgb: Sequence[int] | None) -> PageLayer:
    if rgb is not None:
        check_bands(scene, rgb, "rgb")
    return SceneLayer(scene, rgb_bands(scene) if rgb is None else rgb)
