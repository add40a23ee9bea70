"""Panels are drawn with what explains them, and everything is inside the figure."""

import io

import numpy as np
import pytest
from PIL import Image

from terratorch.drawing.panels import ClassLegend, ImagePanel, ValueScale, draw_panels

PANEL = ImagePanel(np.zeros((40, 10, 3), np.uint8))


def rendered(figure):
    """Return the pixels of a figure as bytes, `(h, w, 3)`."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_legend_takes_the_lines_that_it_needs():
    short = ClassLegend([((0, 0, 0), "a"), ((9, 9, 9), "b")])
    long = ClassLegend([((index, 0, 0), f"a class of a long name {index}") for index in range(60)])

    def added(key, width):
        size = (width, 40)
        with_key, without = (draw_panels([PANEL], size, shown) for shown in (key, None))
        return (with_key.get_figheight() - without.get_figheight()) * with_key.dpi

    assert added(short, 400) < 30
    assert added(long, 400) > 10 * added(short, 400)
    assert added(long, 1600) < added(long, 400)
    texts = [text.get_text() for text in draw_panels([PANEL], (400, 40), long).legends[0].texts]
    assert texts[-1] == "and 36 more"


@pytest.mark.parametrize(
    "key", [ValueScale((0, 1), "height"), ClassLegend([((0, 0, 0), "a"), ((9, 9, 9), "b" * 20)])]
)
def test_a_narrow_map_leaves_room_for_its_scale_and_its_title(key):
    words = "Contains data of many people " * 9
    figure = draw_panels(
        [PANEL], (10, 40), key, title="title " * 40, attribution=words, metres_per_pixel=1.0
    )
    picture = rendered(figure)
    assert picture.shape[1] > 400
    for edge in (picture[:, :15], picture[:, -15:], picture[:8], picture[-8:]):
        assert (edge == 255).all(), "nothing is written in the margin"


def test_pixels_are_enlarged_by_whole_numbers():
    pixels = np.random.default_rng(0).integers(0, 255, (7, 9, 3), dtype=np.uint8)
    figure = draw_panels([ImagePanel(pixels, "map")], (900, 700))
    picture, box = rendered(figure), figure.axes[0].get_window_extent()
    left, top = round(box.x0), picture.shape[0] - round(box.y1)
    expected = pixels.repeat(100, axis=0).repeat(100, axis=1)
    inside = (slice(2, -2), slice(2, -2))  # without the frame
    assert (picture[top : top + 700, left : left + 900][inside] == expected[inside]).all()


def test_ends_of_a_scale_without_limits_are_low_and_high():
    figure = draw_panels([PANEL], (400, 40), ValueScale(None))
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["low", "high"]


def test_titles_that_are_too_long_are_cut_off():
    (axes,) = draw_panels([ImagePanel(PANEL.pixels, "a long title " * 9)], (120, 40)).axes
    assert axes.get_title().endswith("…")
