"""Colours of classes on maps and plots: what people expect of land cover, else distinct ones."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable, Iterator, Sequence

Color = tuple[int, int, int]

NODATA_COLOR: Color = (255, 255, 255)

# Words of a class name -> colour; rows further up win. A word matches the start of a word of the
# name, or all of it where it ends with a space.
LAND_COVER: tuple[tuple[tuple[str, ...], Color], ...] = (
    (
        ("background", "other", "nodata", "no data", "unclassified", "void"),
        (190, 190, 190),
    ),
    (("unburn", "not burn", "non burn", "no burn"), (222, 222, 210)),
    (
        ("no ", "non ", "not ", "unchanged", "dry land"),
        (214, 208, 196),
    ),
    (("burn", "fire"), (204, 51, 17)),
    (("flood", "inundat"), (0, 119, 187)),
    (("mangrove",), (0, 150, 120)),
    (("wetland", "marsh", "swamp", "bog", "peat"), (68, 170, 153)),
    (("water", "sea ", "seawater", "ocean", "lake", "river", "pond ", "pool"), (31, 95, 191)),
    (("snow", "ice", "glacier"), (220, 240, 250)),
    (("cloud shadow", "shadow"), (70, 70, 90)),
    (("cloud", "haze"), (236, 236, 240)),
    (("tree", "forest", "wood", "conifer", "broadlea", "deciduous", "evergreen"), (17, 102, 51)),
    (("shrub", "scrub", "bush", "heath"), (153, 153, 51)),
    (("grass", "meadow", "pasture", "rangeland", "herb"), (143, 196, 92)),
    (("rice", "paddy"), (122, 196, 182)),
    (("maize", "corn"), (240, 200, 60)),
    (("wheat", "cereal", "barley", "rye"), (222, 170, 80)),
    (("vineyard", "grape"), (136, 34, 85)),
    (("orchard", "plantation", "olive"), (126, 150, 40)),
    (("agri", "crop", "farm", "cultivat", "arable", "field", "annual"), (238, 204, 102)),
    (("vegetation", "moss", "lichen"), (110, 170, 80)),
    (("road", "highway", "rail", "paved"), (110, 110, 115)),
    (("building", "house", "roof"), (170, 30, 45)),
    (
        ("built", "urban", "impervious", "settlement", "residential", "industrial", "city"),
        (200, 50, 47),
    ),
    (("bare", "barren", "soil", "sand", "rock", "desert", "beach"), (196, 170, 140)),
    (("landslide",), (153, 79, 0)),
    (("ship", "vessel", "boat"), (170, 51, 119)),
)

# Paul Tol's "bright" and "muted" qualitative schemes (https://personal.sron.nl/~pault/), made for
# colour-blind readers.
QUALITATIVE: tuple[Color, ...] = (
    (68, 119, 170),
    (238, 102, 119),
    (34, 136, 51),
    (204, 187, 68),
    (102, 204, 238),
    (170, 51, 119),
    (221, 204, 119),
    (51, 34, 136),
    (136, 204, 238),
    (17, 119, 51),
    (204, 102, 119),
    (136, 34, 85),
    (68, 170, 153),
    (153, 153, 51),
    (170, 68, 153),
    (187, 187, 187),
)

# Every fifth colour of matplotlib's "viridis", whose steps look even, to colour-blind readers too
# (CC0, https://bids.github.io/colormap/).
VIRIDIS: tuple[Color, ...] = (
    (68, 1, 84), (70, 8, 92), (71, 16, 99), (72, 23, 105), (72, 29, 111), (72, 36, 117),
    (71, 42, 122), (70, 48, 126), (69, 55, 129), (67, 61, 132), (65, 66, 135), (63, 72, 137),
    (61, 78, 138), (58, 83, 139), (56, 89, 140), (53, 94, 141), (51, 99, 141), (49, 104, 142),
    (46, 109, 142), (44, 113, 142), (42, 118, 142), (41, 123, 142), (39, 128, 142), (37, 132, 142),
    (35, 137, 142), (33, 142, 141), (32, 146, 140), (31, 151, 139), (30, 156, 137), (31, 161, 136),
    (33, 165, 133), (36, 170, 131), (40, 174, 128), (46, 179, 124), (53, 183, 121), (61, 188, 116),
    (70, 192, 111), (80, 196, 106), (90, 200, 100), (101, 203, 94), (112, 207, 87), (124, 210, 80),
    (137, 213, 72), (149, 216, 64), (162, 218, 55), (176, 221, 47), (189, 223, 38), (202, 225, 31),
    (216, 226, 25), (229, 228, 25), (241, 229, 29), (253, 231, 37),
)  # fmt: skip

_GOLDEN_ANGLE = 0.61803398875  # turns; successive hues are never near each other


def palette(class_names: Sequence[str]) -> list[Color]:
    """Return a colour for each class, all distinct.

    Names of land cover get the colour that people expect (water blue, forest green); the others get
    the next colour of a scheme made for colour-blind readers.

    Args:
        class_names: Names of the classes, in the order of their ids.
    """
    colors: dict[int, Color] = {}
    for index, name in enumerate(class_names):
        known = land_cover_color(name)
        if known is not None:
            colors[index] = _distinct_shade(known, colors.values())
    fallback = _qualitative()
    for index in range(len(class_names)):
        if index not in colors:
            colors[index] = next(color for color in fallback if color not in colors.values())
    return [colors[index] for index in range(len(class_names))]


def color_ramp(stops: Sequence[Color], steps: int) -> list[Color]:
    """Return colours at even distances along a scale.

    Args:
        stops: The colours of the scale, from the least to the greatest value.
        steps: How many colours, at least 2.
    """
    ramp = []
    for step in range(steps):
        place = step * (len(stops) - 1) / (steps - 1)
        index = min(int(place), len(stops) - 2)
        share = place - index
        red, green, blue = (
            round(low + (high - low) * share)
            for low, high in zip(stops[index], stops[index + 1], strict=True)
        )
        ramp.append((red, green, blue))
    return ramp


def land_cover_color(name: str) -> Color | None:
    """Return the colour that people expect of a land-cover class, None for an unknown name."""
    text = f" {re.sub(r'[^a-z0-9]+', ' ', name.lower()).strip()} "
    for words, color in LAND_COVER:
        if any(f" {word}" in text for word in words):
            return color
    return None


def _distinct_shade(color: Color, taken: Iterable[Color]) -> Color:
    """Return the colour, or the first lighter or darker shade of it that is not taken."""
    used = set(taken)
    return next(shade for shade in _shades(color) if shade not in used)


def _shades(color: Color) -> Iterator[Color]:
    yield color
    hue, lightness, saturation = colorsys.rgb_to_hls(*(part / 255 for part in color))
    step = 1
    while True:
        sign = 1 if step % 2 else -1
        shift = sign * 0.11 * ((step + 1) // 2)
        level = 0.15 + (lightness + shift - 0.15) % 0.75
        red, green, blue = colorsys.hls_to_rgb((hue + 0.013 * (step // 12)) % 1, level, saturation)
        yield round(red * 255), round(green * 255), round(blue * 255)
        step += 1


def _qualitative() -> Iterator[Color]:
    yield from QUALITATIVE
    index = 0
    while True:
        level, saturation = (0.45, 0.65, 0.55)[index % 3], (0.7, 0.5, 0.9)[(index // 3) % 3]
        rgb = colorsys.hls_to_rgb((index * _GOLDEN_ANGLE) % 1, level, saturation)
        yield round(rgb[0] * 255), round(rgb[1] * 255), round(rgb[2] * 255)
        index += 1
