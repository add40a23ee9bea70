"""The outlines of groups of pixels that share a class and sides, from rows of pixels.

A border is a ring of sides that run across and upright ones by turns, its pixels on the right. Only
those that run across are held: the upright ones join the ends of two of them. All borders of a map
are found at once, without a step for each side or ring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terratorch.inference.products.polygons import Polygons

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NOTHING = np.iinfo(np.int64).min  # in place of a class, where no polygon is wanted


@dataclass(frozen=True)
class Sides:
    """Sides that run across, along the pixels of one class: below them, or above.

    Those with their pixels below run to the right, the others to the left.

    Attributes:
        line: The row of corners.
        start: The column of corners where each begins.
        end: Where it ends.
        classes: Of the pixels.
        is_below: Whether these lie below.
        from_above: Whether the upright side before comes from above, and does not rise.
        to_below: Whether the one behind goes down, and does not rise.
    """

    line: NDArray[np.int32]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    classes: NDArray[np.int32]
    is_below: Flags
    from_above: Flags
    to_below: Flags

    @classmethod
    def joined(cls, parts: Iterable[Sides]) -> Sides:
        """Return all sides."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def from_top(self) -> Sides:
        """Return them line by line, from the left."""
        width = int(max(self.start.max(initial=0), self.end.max(initial=0))) + 1
        order = np.argsort(self.line * np.int64(width) + self.start, kind="stable")
        return Sides(*(column[order] for column in vars(self).values()))


def outlined(rows: Iterable[NDArray[np.int64]], height: int) -> tuple[Polygons, NDArray[np.int32]]:
    """Return the polygons of a map from the top, and the class of each.

    Args:
        rows: Classes `(n, W)` of rows that follow each other; `NOTHING` is in no polygon.
        height: Of all rows.
    """
    sides = Sides.joined(_sides(rows)).from_top()
    if not len(sides.line):
        return Polygons.none(), sides.classes
    ring, place = _places(_apart(sides, _following(sides, height)))
    sizes = np.bincount(ring)
    begins = np.concatenate([[0], np.cumsum(sizes)])
    members = np.empty_like(ring)
    members[begins[ring] + place] = np.arange(len(ring))
    rings = _corners(sides, members, begins)
    owner = _outlines(sides, ring, members[begins[:-1]], rings.turns(rings.corners), height)
    is_hole = owner != np.arange(len(owner))
    order = np.argsort(owner * 2 + is_hole, kind="stable")
    polygons = _regrouped(rings, order, is_hole)
    return polygons, sides.classes[members[begins[:-1]]][~is_hole]


def _sides(rows: Iterable[NDArray[np.int64]]) -> Iterator[Sides]:
    """Yield the sides between rows of pixels, those beyond the first and the last included."""
    top, last = 0, None
    for part in rows:
        last = np.full((1, part.shape[1] + 2), NOTHING) if last is None else last
        part = np.pad(part, ((0, 0), (1, 1)), constant_values=NOTHING)
        yield from _between(np.concatenate([last, part]), top)
        top, last = top + len(part), part[-1:]
    assert last is not None, "a map has rows"
    yield from _between(np.concatenate([last, np.full_like(last, NOTHING)]), top)


def _between(pixels: NDArray[np.int64], top: int) -> Iterator[Sides]:
    """Yield the sides between rows of pixels, which have one more at both ends.

    Args:
        pixels: `(n + 1, W + 2)`.
        top: The row of the second of them.
    """
    is_border = pixels[:-1] != pixels[1:]
    for is_below, own in ((True, pixels[1:]), (False, pixels[:-1])):
        inside = is_border & (own != NOTHING)
        changes = np.ones(inside.shape, bool)
        np.not_equal(own[:, 1:], own[:, :-1], out=changes[:, 1:])
        begins = inside.copy()
        begins[:, 1:] &= changes[:, 1:] | ~inside[:, :-1]
        ends = inside.copy()
        ends[:, :-1] &= changes[:, 1:] | ~inside[:, 1:]
        line, left = np.nonzero(begins)
        _, right = np.nonzero(ends)
        # Where the class goes on beside the side, the border turns away from the pixels.
        left_turns, right_turns = changes[line, left], changes[line, right + 1]
        x = (left - 1).astype(np.int32), right.astype(np.int32)  # columns of corners
        start, end = x if is_below else x[::-1]
        from_turns, to_turns = (left_turns, right_turns) if is_below else (right_turns, left_turns)
        yield Sides(
            line=(line + top).astype(np.int32),
            start=start,
            end=end,
            classes=own[line, left].astype(np.int32),
            is_below=np.full(len(line), is_below),
            from_above=from_turns != is_below,
            to_below=to_turns == is_below,
        )


def _following(sides: Sides, height: int) -> Ints:
    """Return which side follows each: where the upright one leads to that leaves its end.

    Upright sides of one direction do not overlap: in a column, the nth begins where the nth of
    those across ends that it leaves, and ends where the nth of the others begins.
    """
    following = np.empty(len(sides.line), np.int64)
    columns = height + 1
    for down in (False, True):
        left = np.flatnonzero(sides.to_below == down)
        reached = np.flatnonzero(sides.from_above == down)
        by_end = np.argsort(sides.end[left].astype(np.int64) * columns + sides.line[left])
        by_start = np.argsort(sides.start[reached].astype(np.int64) * columns + sides.line[reached])
        following[left[by_end]] = reached[by_start]
    return following


def _apart(sides: Sides, following: Ints) -> Ints:
    """Return which side follows each, where rings that touch themselves are several rings.

    They do at a corner where four pixels meet, of which those across from each other share the
    class: two sides begin there, or two end, and they change places.
    """
    first = _firsts(following)
    begin, end = (_exchanged(sides, at, first) for at in (sides.start, sides.end))
    apart: Ints = begin[following[end]]
    return apart


def _exchanged(sides: Sides, columns: NDArray[np.int32], first: Ints) -> Ints:
    """Return the numbers of sides, of two that meet at a corner in one ring that of the other."""
    keys = sides.line * np.int64(columns.max() + 1) + columns
    below, above = np.flatnonzero(sides.is_below), np.flatnonzero(~sides.is_below)
    _, some, others = np.intersect1d(
        keys[below], keys[above], assume_unique=True, return_indices=True
    )
    some, others = below[some], above[others]
    same = first[some] == first[others]
    some, others = some[same], others[same]
    numbers = np.arange(len(first))
    numbers[some], numbers[others] = others, some
    return numbers


def _firsts(following: Ints) -> Ints:
    """Return the first side of the ring that each is in.

    By jumps that double ("pointer jumping"): as many rounds as the longest ring has binary digits.
    """
    first, ahead = np.arange(len(following)), following
    while True:
        lower = np.minimum(first, first[ahead])
        if np.array_equal(lower, first):
            return first
        first, ahead = lower, ahead[ahead]


def _places(following: Ints) -> tuple[Ints, Ints]:
    """Return the ring of each side, and its place there; rings are in the order of their first."""
    first = _firsts(following)
    is_first = first == np.arange(len(following))
    steps = np.where(is_first, 0, 1)  # to the first side of the ring, as far as was jumped
    ahead = np.where(is_first, first, following)
    active = np.flatnonzero(ahead != first)
    while len(active):
        jumped = ahead[active]
        more, further = steps[jumped], ahead[jumped]
        steps[active] += more
        ahead[active] = further
        active = active[further != first[active]]
    numbers = np.cumsum(is_first) - 1
    ring = numbers[first]
    place = np.where(is_first, 0, np.bincount(ring)[ring] - steps)
    return ring, place


def _corners(sides: Sides, members: Ints, begins: Ints) -> Polygons:
    """Return rings, each of them a polygon.

    Args:
        sides: The sides.
        members: Their order in rings.
        begins: Where each ring begins there, and the end.
    """
    numbers = np.arange(len(begins))
    rings = 2 * begins + numbers
    corners = np.empty((rings[-1], 2), np.int32)
    at = 2 * np.arange(len(members)) + np.repeat(numbers[:-1], np.diff(begins))
    for offset, columns in enumerate((sides.start, sides.end)):
        corners[at + offset] = np.column_stack([columns[members], sides.line[members]])
    corners[rings[1:] - 1] = corners[rings[:-1]]
    return Polygons(corners, rings, numbers)


def _outlines(
    sides: Sides, ring: Ints, firsts: Ints, turns: NDArray[np.float64], height: int
) -> Ints:
    """Return the outline that each ring belongs to: itself, or that around a hole.

    Straight above the highest side of a hole, behind pixels of its polygon only, lies another ring
    of the same polygon, which begins higher: that is the outline, or a hole whose own is known so.

    Args:
        sides: The sides.
        ring: The ring of each.
        firsts: The first side of each ring, which is the highest.
        turns: Twice the area of each ring, negative for holes.
        height: Rows of pixels.
    """
    owner = np.arange(len(firsts))
    holes = np.flatnonzero(turns < 0)
    if not len(holes):
        return owner
    first = firsts[holes]
    columns = sides.end[first].astype(np.int64)
    wanted = np.zeros(int(sides.end.max()) + 1, bool)
    wanted[columns] = True
    below = np.flatnonzero(sides.is_below)
    lengths = (sides.end[below] - sides.start[below]).astype(np.int64)
    each = np.repeat(below, lengths)
    along = np.arange(len(each)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    pixels = sides.start[each] + along
    some = wanted[pixels]
    keys = pixels[some] * (height + 1) + sides.line[each[some]]
    order = np.argsort(keys)
    above = np.searchsorted(keys[order], columns * (height + 1) + sides.line[first]) - 1
    owner[holes] = ring[each[some][order[above]]]
    while True:
        further = owner[owner]
        if np.array_equal(further, owner):
            return owner
        owner = further


def _regrouped(rings: Polygons, order: Ints, is_hole: Flags) -> Polygons:
    """Return polygons of rings in another order, in which holes follow their outline."""
    sizes = np.diff(rings.rings)[order]
    begins = np.concatenate([[0], np.cumsum(sizes)])
    at = np.arange(begins[-1]) + np.repeat(rings.rings[order] - begins[:-1], sizes)
    outlines = np.flatnonzero(~is_hole[order])
    return Polygons(rings.corners[at], begins, np.append(outlines, len(order)))
