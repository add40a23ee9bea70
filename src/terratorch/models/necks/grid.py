"""Infer the grid of patch tokens from their number."""

from __future__ import annotations

import math
from collections.abc import Sequence


def grid_of(
    patches: int, image_size: Sequence[int] | None, h: int | None
) -> tuple[int, int] | None:
    """Return rows and columns of the patches of an image.

    Args:
        patches: How many patches there are.
        image_size: Height and width of the image in pixels, if known.
        h: The rows, if known.

    Returns:
        Rows and columns, or None if that many patches do not make a grid.
    """
    if patches < 1:
        return None
    if h is not None:
        return (h, patches // h) if patches % h == 0 else None
    if image_size is not None:
        grid = _grid_of_image(patches, int(image_size[0]), int(image_size[1]))
        if grid is not None:
            return grid
    side = math.isqrt(patches)
    return (side, side) if side * side == patches else None


def _grid_of_image(patches: int, height: int, width: int) -> tuple[int, int] | None:
    # Square patches that do not overlap give this many rows and columns. The count falls with the
    # patch size, so at most one grid fits.
    for patch in range(1, min(height, width) + 1):
        rows, columns = height // patch, width // patch
        if rows * columns == patches:
            return rows, columns
        if rows * columns < patches:
            break
    return None
