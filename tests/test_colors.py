"""Classes get the colours that people expect, and no two the same."""

import subprocess
import sys

import pytest

from terratorch.colors import QUALITATIVE, land_cover_color, palette


@pytest.mark.parametrize(
    ("name", "strongest"),
    [("Forest", 1), ("deciduous trees", 1), ("water", 2), ("built-up", 0), ("Urban fabric", 0)],
)
def test_land_cover_has_its_colour(name, strongest):
    color = land_cover_color(name)
    assert color is not None
    assert color.index(max(color)) == strongest


@pytest.mark.parametrize("name", ["class 1", "steel", "", "transformer"])
def test_other_names_have_none(name):
    assert land_cover_color(name) is None


def test_unknown_names_get_the_colours_for_colour_blind_readers():
    assert palette(["a", "b"]) == list(QUALITATIVE[:2])


def test_negation_is_not_the_class_itself():
    not_burned, burned = palette(["not burned", "burned"])
    assert sum(not_burned) > sum(burned)


@pytest.mark.parametrize(
    "names",
    [
        [f"c{index}" for index in range(300)],
        ["forest"] * 40,
        [f"forest {index}" for index in range(30)] + [f"x{index}" for index in range(30)],
    ],
    ids=["unknown", "one name", "mixed"],
)
def test_all_are_distinct(names):
    colors = palette(names)
    assert len(set(colors)) == len(names)
    assert all(0 <= part <= 255 for color in colors for part in color)


def test_it_needs_the_standard_library_only():
    code = "import sys, terratorch.colors; assert not {'numpy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "like"),
    [("non-forest", "no water"), ("seasonal crop", "crop"), ("open_sea", "water")],
)
def test_words_are_read_as_they_are_meant(name, like):
    assert land_cover_color(name) == land_cover_color(like)
