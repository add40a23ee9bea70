"""Polygons as arrays: a tenth of the memory of objects, and what is done to all is done at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terratorch.inference.products.simplifying import simplify_rings
from terratorch.optional import import_optional

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def import_shapely() -> Any:
    """Return shapely, or say how it is installed."""
    return import_optional("shapely", "vector", "write polygons")


@dataclass(frozen=True)
class Polygons:
    """Polygons whose corners are those of pixels.

    Attributes:
        corners: Column and row, `(n, 2)` int32, of rings that end where they began.
        rings: Where each ring begins in `corners`, and the end.
        members: Where each polygon begins in `rings`, and the end; its holes follow its outline.
    """

    corners: NDArray[np.int32]
    rings: Ints
    members: Ints

    @classmethod
    def none(cls) -> Polygons:
        """Return no polygons."""
        return cls(np.empty((0, 2), np.int32), np.zeros(1, np.int64), np.zeros(1, np.int64))

    @classmethod
    def boxes(cls, left: Ints, top: Ints, side: int = 1) -> Polygons:
        """Return squares."""
        outline = side * np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], np.int32)
        corners = np.column_stack([left, top]).astype(np.int32)[:, None] + outline
        begins = np.arange(len(left) + 1)
        return cls(corners.reshape(-1, 2), 5 * begins, begins)

    @classmethod
    def joined(cls, parts: Sequence[Polygons]) -> Polygons:
        """Return the polygons of all parts."""
        return cls(
            np.concatenate([part.corners for part in parts]),
            _joined_offsets([part.rings for part in parts]),
            _joined_offsets([part.members for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.members) - 1

    def where(self, chosen: NDArray[np.bool_]) -> Polygons:
        """Return some of them."""
        if chosen.all():
            return self
        sizes = np.diff(self.rings)
        of_ring = np.repeat(chosen, np.diff(self.members))
        return Polygons(
            self.corners[np.repeat(of_ring, sizes)],
            _offsets(sizes[of_ring]),
            _offsets(np.diff(self.members)[chosen]),
        )

    def simplified(self, tolerance: float) -> Polygons:
        """Return simpler polygons; borders that neighbours share stay shared.

        Args:
            tolerance: Side, in pixels, of a square as large as what the removal of a corner may
                change.
        """
        if not len(self):
            return self
        corners, rings = simplify_rings(self.corners.astype(np.int64), self.rings, tolerance)
        return Polygons(corners.astype(np.int32), rings, self.members)

    def areas(self, at: Floats | None = None) -> Floats:
        """Return the areas, `(p,)`.

        Args:
            at: Where the corners lie, `(n, 2)`; None for where they are in pixels.
        """
        if not len(self):
            return np.empty(0)
        doubled = self.turns(self.corners if at is None else at)
        areas: Floats = np.add.reduceat(self.signs * np.abs(doubled), self.members[:-1]) / 2
        return areas

    @property
    def signs(self) -> Ints:
        """1 for the outlines of polygons, and -1 for holes, `(r,)`."""
        signs = np.full(len(self.rings) - 1, -1)
        signs[self.members[:-1]] = 1
        return signs

    def turns(self, at: NDArray[Any]) -> Floats:
        """Return twice the area of each ring, `(r,)`, which is negative where it runs backward."""
        begins = self.rings[:-1]
        first = np.repeat(begins, np.diff(self.rings))
        x, y = (at - at[first]).astype(np.float64).T  # small numbers, which keep their precision
        sides = x[:-1] * y[1:] - x[1:] * y[:-1]
        sides[self.rings[1:-1] - 1] = 0  # from the end of a ring to the next one
        doubled: Floats = np.add.reduceat(np.append(sides, 0.0), begins)
        return doubled

    def shapes(self, at: Floats) -> NDArray[Any]:
        """Return the polygons of shapely, `(p,)`.

        Args:
            at: Where the corners lie, `(n, 2)`.
        """
        shapely = import_shapely()
        offsets = (self.rings, self.members)
        made: NDArray[Any] = shapely.from_ragged_array(shapely.GeometryType.POLYGON, at, offsets)
        return made


def _offsets(sizes: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(sizes)])


def _joined_offsets(parts: Sequence[Ints]) -> Ints:
    return _offsets(np.concatenate([np.diff(part) for part in parts]))
