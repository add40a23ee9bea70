"""A picture of a map: scene and labels beside it, a legend or a scale of values, a scale bar."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from terratorch.colors import NODATA_COLOR, Color, palette
from terratorch.geo.raster import open_raster
from terratorch.inference.encoding import CLASS_NAMES_TAG

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST = 1600  # pixels of a panel; a larger map is read at a lower resolution
_INK, _FAINT = "#1f2328", "#6e7781"
_FONTS = ("Inter", "Helvetica Neue", "Arial", "DejaVu Sans")
_METRES_PER_DEGREE = 111_320.0
_COLORMAP = "viridis"
_PERCENTILES = (2, 98)


@dataclass(frozen=True)
class _Map:
    """A map as it is drawn: `(h, w)` pixels, NaN or hidden where there is nodata."""

    pixels: NDArray[Any]
    hidden: NDArray[np.bool_]
    class_names: list[str] | None
    label: str
    metres_per_pixel: float | None

    @property
    def is_tall(self) -> bool:
        """Whether two of it fit better side by side than one above the other."""
        height, width = self.pixels.shape
        return width < 1.6 * height


def quicklook(
    map_path: str | Path,
    png_path: str | Path,
    image_path: str | Path | None = None,
    labels_path: str | Path | None = None,
    title: str | None = None,
    attribution: str | None = None,
    rgb: Sequence[int] = (3, 2, 1),
) -> Path:
    """Draw a map as PNG.

    Args:
        map_path: A map that `terratorch predict` wrote: classes, or values.
        png_path: The picture.
        image_path: The image that was predicted, drawn beside the map.
        labels_path: Labels of the same classes or values, drawn between them.
        title: A heading.
        attribution: Whose data it is, drawn below.
        rgb: The bands of the image for red, green and blue, counted from 1; an image with fewer
            bands is drawn in grey.

    Returns:
        `png_path`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    drawn = _read_map(Path(map_path))
    panels = {"Map": _paint(drawn)}
    if labels_path is not None:
        labels = replace(_read_map(Path(labels_path)), class_names=drawn.class_names)
        panels = {"Labels": _paint(labels, _limits(drawn)), **panels}
    if image_path is not None:
        panels = {"Scene": _read_image(Path(image_path), rgb), **panels}
    height, width = drawn.pixels.shape
    beside = drawn.is_tall or len(panels) > 2
    size = _figure_size(width / height, len(panels), beside)
    # A figure of its own, not pyplot: no global state, no display.
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1))
    FigureCanvasAgg(figure)
    shape = (1, len(panels)) if beside else (len(panels), 1)
    axes = figure.subplots(*shape, squeeze=False).ravel().tolist()
    for panel, (name, pixels) in zip(axes, panels.items(), strict=True):
        _draw_panel(panel, name if len(panels) > 1 else "", pixels)
    _draw_scale_bar(axes[-1], drawn)
    _draw_key(figure, axes, drawn)
    if title:
        figure.suptitle(title, fontsize=15, fontweight="bold", color=_INK, family=_fonts())
    if attribution:
        figure.supxlabel(attribution, fontsize=8, color=_FAINT, family=_fonts())
    png = Path(png_path)
    figure.savefig(png, dpi=150, bbox_inches="tight", pad_inches=0.15)
    return png


def _fonts() -> list[str]:
    """Return the fonts that are installed, so that matplotlib does not warn of the others."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return [name for name in _FONTS if name in installed] or ["sans-serif"]


def _figure_size(aspect: float, panels: int, beside: bool) -> tuple[float, float]:
    """Return width and height in inches, with room for title, legend and attribution."""
    width = 6.0 * panels if beside else 9.0
    one = width / panels / aspect if beside else width / aspect * panels
    return width, min(one, 24.0) + 1.5


def _read_map(path: Path) -> _Map:
    with open_raster(path) as dataset:
        width, shape = dataset.width, _reduced(dataset.height, dataset.width)
        pixels = dataset.read(1, out_shape=shape)
        hidden = dataset.read_masks(1, out_shape=shape) == 0
        listed = dataset.tags().get(CLASS_NAMES_TAG)
        metres = _metres(dataset)
        label = dataset.descriptions[0] or ""
    if pixels.dtype.kind == "f":
        hidden |= ~np.isfinite(pixels)
    names = json.loads(listed) if listed else None
    if names is None and pixels.dtype == np.uint8:
        most = int(pixels[~hidden].max(initial=0))
        names = [f"class {index}" for index in range(most + 1)]
    if metres is not None:
        metres *= width / shape[1]
    return _Map(pixels, hidden, names, label, metres)


def _metres(dataset: Any) -> float | None:
    """Return the width of a pixel in metres, None where it is not known."""
    crs, transform = dataset.crs, dataset.transform
    if crs is None or transform.is_identity:
        return None
    # Along a row of pixels, which need not run from west to east.
    across, down = transform.a, transform.d
    if crs.is_geographic:
        _, latitude = dataset.xy(dataset.height // 2, dataset.width // 2)
        across *= math.cos(math.radians(latitude))
        return math.hypot(across, down) * _METRES_PER_DEGREE
    if not crs.is_projected:
        return None
    return math.hypot(across, down) * float(crs.linear_units_factor[1])


def _reduced(height: int, width: int) -> tuple[int, int]:
    step = max(height, width, _LONGEST) / _LONGEST
    return max(1, round(height / step)), max(1, round(width / step))


def _read_image(path: Path, rgb: Sequence[int]) -> NDArray[np.float32]:
    """Return `(h, w, 3)` in 0 to 1, each band stretched between two percentiles."""
    with open_raster(path) as dataset:
        bands = list(rgb) if dataset.count >= max(rgb) else [1, 1, 1]
        shape = (len(bands), *_reduced(dataset.height, dataset.width))
        pixels = dataset.read(bands, out_shape=shape).astype(np.float32)
        hidden = (dataset.read_masks(bands, out_shape=shape) == 0).any(0) | ~np.isfinite(
            pixels
        ).all(0)
    if not hidden.all():
        low, high = np.percentile(pixels[:, ~hidden], _PERCENTILES, axis=1)[:, :, None, None]
        pixels = np.clip((pixels - low) / np.maximum(high - low, 1e-12), 0, 1)
    pixels[:, hidden] = 1
    return np.moveaxis(pixels, 0, -1).astype(np.float32)


def _paint(drawn: _Map, limits: tuple[float, float] | None = None) -> NDArray[Any]:
    """Return the map as colours, `(h, w, 3)`; `limits` are the ends of the scale of values."""
    if drawn.class_names is None:
        from matplotlib import colormaps

        low, high = limits or _limits(drawn)
        scaled = np.nan_to_num((drawn.pixels - low) / max(high - low, 1e-12))
        painted = colormaps[_COLORMAP](scaled)[..., :3]
        painted[drawn.hidden] = np.array(NODATA_COLOR) / 255
        return painted
    table = np.array([*palette(drawn.class_names), NODATA_COLOR], dtype=np.uint8)
    last = len(table) - 1
    return table[np.where(drawn.hidden, last, np.minimum(drawn.pixels, last)).astype(int)]


def _limits(drawn: _Map) -> tuple[float, float]:
    seen = drawn.pixels[~drawn.hidden]
    if not seen.size:
        return 0.0, 1.0
    low, high = np.percentile(seen, _PERCENTILES)
    return float(low), float(high)


def _draw_panel(axes: Axes, name: str, pixels: NDArray[Any]) -> None:
    axes.imshow(pixels, interpolation="nearest")
    axes.set_title(name, loc="left", fontsize=11, color=_INK, family=_fonts())
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#d0d7de")


def _draw_key(figure: Figure, axes: list[Axes], drawn: _Map) -> None:
    """Draw the legend of classes below the map, or the scale of values."""
    if drawn.class_names is None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        scale = ScalarMappable(Normalize(*_limits(drawn)), _COLORMAP)
        bar = figure.colorbar(scale, ax=axes, location="bottom", shrink=0.5, aspect=40, pad=0.02)
        bar.set_label(drawn.label, fontsize=9, color=_INK, family=_fonts())
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8, colors=_INK)
        return
    entries = _legend(drawn, drawn.class_names)
    columns = 3 if drawn.is_tall else 6
    legend = axes[-1].legend(
        handles=[_patch(color, label) for color, label in entries],
        loc="upper left",
        bbox_to_anchor=(0, 0),
        borderaxespad=0.6,
        borderpad=0,
        ncols=min(len(entries), columns),
        frameon=False,
        handlelength=1.1,
        handleheight=1.1,
        columnspacing=1.6,
        prop={"size": 10, "family": _fonts()},
    )
    for text in legend.get_texts():
        text.set_color(_INK)


def _legend(drawn: _Map, names: list[str]) -> list[tuple[Color, str]]:
    """Return colour and text of each class that the map has, with its share of the valid pixels."""
    counts = np.bincount(drawn.pixels[~drawn.hidden].astype(int), minlength=len(names))
    total = max(int(counts.sum()), 1)
    entries = [
        (
            color,
            f"{name}  {100 * count / total:.0f} %" if count * 200 >= total else f"{name}  < 1 %",
        )
        for name, color, count in zip(names, palette(names), counts, strict=False)
        if count
    ]
    return entries + ([(NODATA_COLOR, "no data")] if drawn.hidden.any() else [])


def _patch(color: Color, label: str) -> Any:
    from matplotlib.patches import Patch

    red, green, blue = (part / 255 for part in color)
    return Patch(facecolor=(red, green, blue), edgecolor="#d0d7de", linewidth=0.6, label=label)


def _draw_scale_bar(axes: Axes, drawn: _Map) -> None:
    """Draw a bar of a round length, a fifth of the width at most, where the scale is known."""
    if not drawn.metres_per_pixel:
        return
    from matplotlib.font_manager import FontProperties

    # The package has no types.
    from mpl_toolkits.axes_grid1.anchored_artists import (  # type: ignore[import-untyped]  # no stubs
        AnchoredSizeBar,
    )

    height, width = drawn.pixels.shape
    metres = _round_length(0.2 * width * drawn.metres_per_pixel)
    bar = AnchoredSizeBar(
        axes.transData,
        metres / drawn.metres_per_pixel,
        f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m",
        "lower left",
        pad=0.5,
        borderpad=0.7,
        sep=4,
        color=_INK,
        size_vertical=0.006 * max(height, width),
        label_top=True,
        fontproperties=FontProperties(size=9, family=_fonts()),
    )
    bar.patch.set(alpha=0.85, linewidth=0)
    axes.add_artist(bar)


def _round_length(metres: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is not longer."""
    power = 10.0 ** math.floor(math.log10(metres))
    return max(step * power for step in (1, 2, 5) if step * power <= metres)
