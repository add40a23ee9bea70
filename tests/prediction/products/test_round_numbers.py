"""Round numbers for scales and scale bars."""

import pytest

from terratorch.prediction.products.round_numbers import round_length, ticks_within


@pytest.mark.parametrize(
    ("metres", "rounded"), [(3, 2), (999, 500), (1000, 1000), (5200, 5000), (0.7, 0.5)]
)
def test_the_scale_bar_is_round(metres, rounded):
    assert round_length(metres) == rounded


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (4.7, 5.8, [4.8, 5, 5.2, 5.4, 5.6, 5.8]),
        (-207, 175, [-200, -100, 0, 100]),
        (2e-7, 6e-7, [2e-7, 3e-7, 4e-7, 5e-7, 6e-7]),
        (3, 3, [3]),
    ],
)
def test_a_scale_has_round_numbers(low, high, marks):
    assert ticks_within(low, high) == pytest.approx(marks, rel=1e-6)
