"""What is done to one image is done to each of several."""

import torch

from terratorch.contracts.images import each_image


def test_one_image_stays_one():
    assert torch.equal(each_image(torch.ones(2, 3), lambda image: image + 1), torch.full((2, 3), 2))


def test_several_images_keep_their_names_and_their_order():
    given = {"S2": torch.ones(2, 3), "S1": torch.zeros(1)}
    changed = each_image(given, lambda image: image + 1)
    assert [(name, image.tolist()) for name, image in changed.items()] == [
        ("S2", [[2, 2, 2], [2, 2, 2]]),
        ("S1", [1]),
    ]
    assert given["S1"].tolist() == [0]
