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


def largest_size(images: Images) -> tuple[int, int] | None:
    """Return height and width of the largest of some images; None where none has both.

    Args:
        images: `(B, C, H, W)` or `(B, C, T, H, W)`, one or several by modality.
    """
    given = [images] if isinstance(images, Tensor) else images.values()
    sizes = [(int(one.shape[-2]), int(one.shape[-1])) for one in given if one.ndim > 3]
    if not sizes:
        return None
    return max(height for height, _ in sizes), max(width for _, width in sizes)
