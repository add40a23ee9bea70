import numpy as np
import torch

from terratorch.ops.statistics import count_classes, image_moments


def test_merged_moments_are_those_of_all_values():
    random = np.random.default_rng(0)
    images = [random.normal(1e6, 0.5, (3, height, 7)) for height in (1, 5, 9)]
    moments = image_moments(torch.from_numpy(images[0]))
    for image in images[1:]:
        moments = moments.merge(image_moments(torch.from_numpy(image)))
    values = np.concatenate([image.reshape(3, -1) for image in images], axis=1)
    assert np.allclose(moments.mean, values.mean(1), rtol=1e-12)
    # Sums of squares would have lost all digits here.
    assert np.allclose(moments.std, values.std(1), rtol=1e-6)
    assert np.array_equal(moments.minimum, values.min(1))
    assert np.array_equal(moments.maximum, values.max(1))


def test_nan_and_what_is_not_valid_are_left_out():
    image = torch.tensor([[[1.0, 2.0], [torch.nan, 100.0]]])
    valid = torch.tensor([[True, True], [True, False]])
    moments = image_moments(image, valid)
    assert (moments.count.item(), moments.mean.item(), moments.maximum.item()) == (2, 1.5, 2)


def test_an_image_without_valid_pixels_changes_nothing():
    empty = image_moments(torch.full((1, 2, 2), torch.nan))
    moments = image_moments(torch.ones(1, 2, 2))
    for merged in (empty.merge(moments), moments.merge(empty)):
        assert (merged.count.item(), merged.mean.item(), merged.std.item()) == (4, 1, 0)
        assert (merged.minimum.item(), merged.maximum.item()) == (1, 1)


def test_time_steps_count_as_pixels_of_their_band():
    image = torch.arange(8.0).view(2, 2, 1, 2)
    assert image_moments(image, torch.ones(1, 2, dtype=torch.bool)).mean.tolist() == [1.5, 5.5]


def test_classes_are_counted():
    assert count_classes(torch.tensor([[0, 2], [2, -1]])) == {0: 1, 2: 2, -1: 1}
