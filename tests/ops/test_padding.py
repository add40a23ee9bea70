"""Padding and cropping."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from terratorch.errors import ConfigurationError
from terratorch.models.utils import center_crop, pad_images
from terratorch.ops.padding import crop_center, pad_axis, pad_to_multiple

SIZES = st.integers(1, 9)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "constant"])
def test_one_axis_is_padded_as_torch_does(mode):
    x = torch.rand(2, 3, 5, 6)
    torch.testing.assert_close(pad_axis(x, -1, 2, 3, mode), F.pad(x, (2, 3, 0, 0), mode))
    torch.testing.assert_close(pad_axis(x, -2, 1, 0, mode), F.pad(x, (0, 0, 1, 0), mode))


def test_an_unknown_mode_is_refused():
    with pytest.raises(ConfigurationError, match=r"padding: is .mirror.\. Use one of reflect,"):
        pad_axis(torch.rand(1, 1, 3, 3), -1, 1, 1, "mirror")


def test_reflection_goes_back_and_forth():
    x = torch.tensor([1.0, 2.0, 3.0])
    assert pad_axis(x, 0, 4, 3).tolist() == [1, 2, 3, 2, 1, 2, 3, 2, 1, 2]


@given(height=SIZES, width=SIZES, patch=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_cropping_undoes_padding(height, width, patch):
    x = torch.arange(height * width).float().reshape(1, 1, height, width)
    padded = pad_to_multiple(x, patch)
    assert all(side % (2 * patch) == 0 for side in padded.shape[-2:])
    assert torch.equal(crop_center(padded, (height, width)), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64], ids=str)
def test_types_and_time(dtype):
    x = torch.ones(1, 2, 3, 5, 6, dtype=dtype)
    padded = pad_images(x, [2, 4, 4])
    assert (padded.shape, padded.dtype) == ((1, 2, 4, 8, 8), dtype)


def test_modalities_are_padded_alike_and_the_rest_stays():
    padded = pad_images({"s2": torch.rand(1, 2, 5, 5), "location": torch.rand(1, 2)}, 4)
    assert padded["s2"].shape == (1, 2, 8, 8)
    assert padded["location"].shape == (1, 2)


def test_a_crop_is_never_larger_than_the_image():
    assert center_crop(torch.rand(1, 1, 5, 9), (8, 3)).shape == (1, 1, 5, 3)
