"""Round numbers for scale bars."""

import pytest

from terratorch.drawing.round_numbers import round_length


@pytest.mark.parametrize(
    ("metres", "rounded"), [(3, 2), (999, 500), (1000, 1000), (5200, 5000), (0.7, 0.5)]
)
def test_the_scale_bar_is_round(metres, rounded):
    assert round_length(metres) == rounded
