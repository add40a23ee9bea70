"""What models take: a batch of images, or a dictionary of them by modality."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Images = Tensor | dict[str, Tensor]


def each_image(images: Images, change: Callable[[Tensor], Tensor]) -> Images:
    """Return the images with something done to each of them.

    Args:
        images: One tensor, or several by modality.
        change: What is done to a tensor.
    """
    if isinstance(images, Tensor):
        return change(images)
    return {name: change(image) for name, image in images.items()}
