"""A picture of a map: scene and labels beside it, a legend or a scale of values, a scale bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from terratorch.colors import Color
from terratorch.inference.painting import (
    DEFAULT_RGB,
    DrawnMap,
    legend,
    paint,
    read_image,
    read_map,
    round_length,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _FAINT = "#1f2328", "#6e7781"
_FONTS = ("Inter", "Helvetica Neue", "Arial", "DejaVu Sans")


def quicklook(
    map_path: str | Path,
    png_path: str | Path,
    image_path: str | Path | None = None,
    labels_path: str | Path | None = None,
    title: str | None = None,
    attribution: str | None = None,
    rgb: Sequence[int] = DEFAULT_RGB,
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

    drawn = read_map(map_path)
    panels: dict[str, NDArray[Any]] = {"Map": paint(drawn)}
    if labels_path is not None:
        labels = replace(read_map(labels_path), class_names=drawn.class_names, colors=drawn.colors)
        panels = {"Labels": paint(labels, drawn.limits), **panels}
    if image_path is not None:
        panels = {"Scene": read_image(image_path, rgb), **panels}
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


def _draw_panel(axes: Axes, name: str, pixels: NDArray[Any]) -> None:
    axes.imshow(pixels, interpolation="nearest")
    axes.set_title(name, loc="left", fontsize=11, color=_INK, family=_fonts())
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#d0d7de")


def _draw_key(figure: Figure, axes: list[Axes], drawn: DrawnMap) -> None:
    """Draw the legend of classes below the map, or the scale of values."""
    if drawn.class_names is None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        scale = ScalarMappable(Normalize(*drawn.limits), "viridis")
        bar = figure.colorbar(scale, ax=axes, location="bottom", shrink=0.5, aspect=40, pad=0.02)
        bar.set_label(drawn.label, fontsize=9, color=_INK, family=_fonts())
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8, colors=_INK)
        return
    entries = legend(drawn)
    columns = 3 if drawn.is_tall else 6
    box = axes[-1].legend(
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
    for text in box.get_texts():
        text.set_color(_INK)


def _patch(color: Color, label: str) -> Any:
    from matplotlib.patches import Patch

    red, green, blue = (part / 255 for part in color)
    return Patch(facecolor=(red, green, blue), edgecolor="#d0d7de", linewidth=0.6, label=label)


def _draw_scale_bar(axes: Axes, drawn: DrawnMap) -> None:
    """Draw a bar of a round length, a fifth of the width at most, where the scale is known."""
    if not drawn.metres_per_pixel:
        return
    from matplotlib.font_manager import FontProperties

    # The package has no types.
    from mpl_toolkits.axes_grid1.anchored_artists import (  # type: ignore[import-untyped]  # no stubs
        AnchoredSizeBar,
    )

    height, width = drawn.pixels.shape
    metres = round_length(0.2 * width * drawn.metres_per_pixel)
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
