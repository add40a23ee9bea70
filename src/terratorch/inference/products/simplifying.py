"""Simplify polygons whose corners are those of pixels, so that neighbours keep common borders.

Corners are removed by the area that they span (Visvalingam and Whyatt, "Line generalisation by
repeated elimination of points", 1993), all over the map at the same time: in each round those go
that span less than both of their neighbours. All is in integers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_NEVER = np.iinfo(np.int64).max  # the rank of a corner that stays
_MOST_AREA = 2**29  # twice the area, so that a rank fits in 64 bits
_ODD = 2_654_435_769  # spreads numbers over 32 bits (Knuth, multiplicative hashing)
_AT_ONCE = 2**18  # triangles that are looked into


def simplify_rings(corners: Ints, rings: Ints, tolerance: float) -> tuple[Ints, Ints]:
    """Return simpler rings; corners that rings share are removed from all of them, or from none.

    Where borders meet they stay. No border comes to cross or touch another one.

    Args:
        corners: Column and row, `(n, 2)`, of rings that end where they began, and whose sides run
            along rows or columns.
        rings: Where each ring begins, and the end, `(r + 1,)`.
        tolerance: Side of a square as large as what the removal of a corner may change.
    """
    first = corners.min(axis=0)
    lattice = Lattice(corners - first, rings)
    kept = _Border(lattice, tolerance).simplify()
    made, offsets = lattice.rings_of(kept)
    return made + first, offsets


class Lattice:
    """The corners of rings, each of them once, by number: along rows, from the top.

    Args:
        corners: Column and row, `(n, 2)`, from 0 on.
        rings: Where each ring begins, and the end.

    Attributes:
        width: Of a row of `keys`.
        keys: Row times width plus column of each corner, in order.
        columns: Of each corner.
        rows: Of each corner.
        members: The corners of each ring, the last not repeated; all that lie on its sides.
        begins: Where each ring begins in `members`, and the end.
    """

    def __init__(self, corners: Ints, rings: Ints) -> None:
        self.width = int(corners[:, 0].max()) + 1
        is_end = np.zeros(len(corners), bool)
        is_end[rings[1:] - 1] = True
        keys = corners[~is_end] @ np.array([1, self.width])
        self.keys, numbers = np.unique(keys, return_inverse=True)
        self.rows, self.columns = np.divmod(self.keys, self.width)
        self.members, self.begins = self._with_all(numbers, rings - np.arange(len(rings)))

    def _with_all(self, numbers: Ints, begins: Ints) -> tuple[Ints, Ints]:
        """Return rings with a corner wherever one of another ring lies on their sides.

        Corners of a row have numbers that follow each other, and those of a column have places
        that do.
        """
        by_column = np.argsort(self.columns, kind="stable")
        place = np.empty_like(by_column)
        place[by_column] = np.arange(len(by_column))
        ahead = numbers[_following(begins)]
        along_row = self.rows[numbers] == self.rows[ahead]
        start = np.where(along_row, numbers, place[numbers])
        gap = np.where(along_row, ahead, place[ahead]) - start
        counts = np.abs(gap)
        ends = np.cumsum(counts)
        steps = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
        steps = np.repeat(start, counts) + np.repeat(np.sign(gap), counts) * steps
        members = np.where(np.repeat(along_row, counts), steps, by_column[steps])
        return members, np.concatenate([[0], ends])[begins]

    def rings_of(self, kept: Flags) -> tuple[Ints, Ints]:
        """Return what is left of the rings: corners `(n, 2)`, and where each ring begins."""
        stays = kept[self.members]
        begins = np.concatenate([[0], np.cumsum(stays)])[self.begins]
        members = self.members[stays]
        count = len(begins) - 1
        closed = np.empty(len(members) + count, np.int64)
        offsets = begins + np.arange(count + 1)
        is_end = np.zeros(len(closed), bool)
        is_end[offsets[1:] - 1] = True
        closed[~is_end] = members
        closed[is_end] = members[begins[:-1]]
        return np.column_stack([self.columns[closed], self.rows[closed]]), offsets


def _following(begins: Ints) -> Ints:
    """Return the index of what follows each member of its ring."""
    following = np.arange(1, begins[-1] + 1)
    following[begins[1:] - 1] = begins[:-1]
    return following


class _Border:
    """The borders of all rings, as corners that know their two neighbours.

    Args:
        lattice: The corners.
        tolerance: See `simplify_rings`.
    """

    def __init__(self, lattice: Lattice, tolerance: float) -> None:
        self.lattice = lattice
        self.most = int(min(2 * tolerance**2, _MOST_AREA))  # twice the area
        count = len(lattice.keys)
        self.kept = np.ones(count, bool)
        following = _following(lattice.begins)
        here, ahead = lattice.members, lattice.members[following]
        some = np.empty(count, np.int64)  # of the places where a corner is in a ring
        some[here] = np.arange(len(here))
        behind = np.empty_like(here)
        behind[following] = here
        self.neighbours = np.column_stack([behind[some], ahead[some]])
        self.is_node = _sides(lattice, here, ahead) != 2
        ends = self.is_node[here] & self.is_node[ahead]
        self.straight = _distinct(self._pairs(here[ends], ahead[ends]))
        self.ranks = np.full(count, _NEVER)

    def simplify(self) -> Flags:
        """Return which corners stay."""
        active = np.flatnonzero(~self.is_node)
        self._rank(active)
        active = active[self.ranks[active] < _NEVER]
        while len(active):
            sides = self.ranks[self.neighbours[active]]
            lowest = active[self.ranks[active] < sides.min(axis=1)]
            removable = self._is_removable(lowest)
            self.ranks[lowest] = _NEVER
            touched = self._remove(lowest[removable])
            new = touched[self.ranks[touched] == _NEVER]
            self._rank(touched)
            active = np.concatenate([active, new])
            active = active[self.ranks[active] < _NEVER]
        return self.kept

    def _pairs(self, some: Ints, others: Ints) -> Ints:
        return np.minimum(some, others) * len(self.kept) + np.maximum(some, others)

    def _corners(self, numbers: Ints) -> Ints:
        """Return column and row, `(2, n, 3)`, of corners between their neighbours."""
        left, right = self.neighbours[numbers].T
        three = np.column_stack([left, numbers, right])
        return np.stack([self.lattice.columns[three], self.lattice.rows[three]])

    def _rank(self, numbers: Ints) -> None:
        """Rank corners by the area that they span.

        Of corners that span the same, as on stairs, those above their neighbours go first, so that
        a straight line comes of stairs.
        """
        x, y = self._corners(numbers)
        across, down = x[:, 2] - x[:, 0], y[:, 2] - y[:, 0]
        doubled = across * (y[:, 1] - y[:, 0]) - down * (x[:, 1] - x[:, 0])
        backward = (across < 0) | ((across == 0) & (down < 0))
        is_below = (doubled > 0) != backward
        area = np.abs(doubled)
        spread = numbers * _ODD & 0xFFFF_FFFF
        ranks = (np.minimum(area, _MOST_AREA) * 2 + is_below << 32) + spread
        self.ranks[numbers] = np.where(area <= self.most, ranks, _NEVER)

    def _is_removable(self, numbers: Ints) -> Flags:
        """Return whether the line between the neighbours of corners is free, and will be."""
        left, right = self.neighbours[numbers].T
        pairs = self._pairs(left, right)
        _, firsts = np.unique(pairs, return_index=True)
        free = np.zeros(len(numbers), bool)
        free[firsts] = True
        # Of a triangle none goes.
        free &= ~((self.neighbours[left] == right[:, None]).any(axis=1) & ~self.is_node[left])
        free &= ~((self.neighbours[right] == left[:, None]).any(axis=1) & ~self.is_node[right])
        nodes = np.flatnonzero(self.is_node[left] & self.is_node[right])
        free[nodes] &= ~_is_in(pairs[nodes], self.straight)
        left_over = np.flatnonzero(free)
        before = np.concatenate([[0], np.cumsum(self.kept)])
        for begin in range(0, len(left_over), _AT_ONCE):
            part = left_over[begin : begin + _AT_ONCE]
            free[part] = self._is_empty(numbers[part], before)
        return free

    def _is_empty(self, numbers: Ints, before: Ints) -> Flags:
        """Return whether no other corner lies within the triangle of corners, or on its side.

        Args:
            numbers: The corners.
            before: How many corners that stay have a lower number than each.
        """
        x, y = self._corners(numbers)
        empty = _points_within(x, y) == 0
        some = np.flatnonzero(~empty)
        if len(some):
            owners, rows, left, right = _rows_of_triangles(x[some], y[some])
            keys, row = self.lattice.keys, rows * self.lattice.width
            counts = before[np.searchsorted(keys, row + right, "right")]
            counts -= before[np.searchsorted(keys, row + left)]
            held = np.bincount(owners, np.maximum(counts, 0), len(some))
            empty[some] = held == 3
        return empty

    def _remove(self, numbers: Ints) -> Ints:
        """Remove corners that are no neighbours; return those beside them that may go as well."""
        left, right = self.neighbours[numbers].T
        self.kept[numbers] = False
        for side, other in ((left, right), (right, left)):
            slot = (self.neighbours[side, 1] == numbers).astype(np.int64)
            self.neighbours[side, slot] = other
        nodes = self.is_node[left] & self.is_node[right]
        if nodes.any():
            new = self._pairs(left[nodes], right[nodes])
            self.straight = _distinct(np.concatenate([self.straight, new]))
        touched = _distinct(np.concatenate([left, right]))
        return touched[~self.is_node[touched]]


def _sides(lattice: Lattice, here: Ints, ahead: Ints) -> Ints:
    """Return how many sides meet at each corner, which run to four directions."""
    across = np.sign(lattice.columns[ahead] - lattice.columns[here])
    down = np.sign(lattice.rows[ahead] - lattice.rows[here])
    direction = np.where(across != 0, across + 1, down + 2)  # left 0, up 1, right 2, down 3
    meets = np.zeros((4, len(lattice.keys)), bool)
    meets[direction, here] = True
    meets[(direction + 2) % 4, ahead] = True
    return meets.sum(axis=0)


def _distinct(values: Ints) -> Ints:
    """Return values in order, each once; `np.unique` hashes them, which takes ten times as long."""
    ordered = np.sort(values, kind="stable")
    return ordered[np.diff(ordered, prepend=-1) > 0]


def _is_in(values: Ints, among: Ints) -> Flags:
    """Return whether values are among others that are in order."""
    if not len(among):
        return np.zeros(len(values), bool)
    places = np.searchsorted(among, values)
    found: Flags = among[np.minimum(places, len(among) - 1)] == values
    return found


def _points_within(x: Ints, y: Ints) -> Ints:
    """Return the points of the lattice within triangles `(n, 3)`, or on their third side.

    By the theorem of Pick; the ends of the side are not counted.
    """
    doubled = np.abs(
        (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    )
    first, second, third = (
        np.gcd(x[:, end] - x[:, begin], y[:, end] - y[:, begin])
        for begin, end in ((0, 1), (1, 2), (0, 2))
    )
    points: Ints = (doubled - first - second + third) // 2
    return points


def _rows_of_triangles(x: Ints, y: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Return triangle, row, and first and last column of each row of triangles `(n, 3)`."""
    top = y.min(axis=1)
    heights = y.max(axis=1) - top + 1
    owners = np.repeat(np.arange(len(x)), heights)
    ends = np.cumsum(heights)
    rows = np.arange(ends[-1]) + np.repeat(top - (ends - heights), heights)
    left = np.full(len(rows), _NEVER)
    right = np.full(len(rows), -1)
    for begin, end in ((0, 1), (1, 2), (0, 2)):
        upper = np.where(y[:, begin] <= y[:, end], begin, end)
        each = np.arange(len(x))
        lower = begin + end - upper
        x0, y0 = x[each, upper], y[each, upper]
        dx, dy = x[each, lower] - x0, y[each, lower] - y0
        down = rows - y0[owners]
        within = (down >= 0) & (down <= dy[owners])
        run = dx[owners] * down
        step = np.maximum(dy, 1)[owners]
        least = x0[owners] - (-run // step)
        most = x0[owners] + run // step
        flat = np.minimum(dx, 0) * (dy == 0), np.maximum(dx, 0) * (dy == 0)
        left = np.where(within, np.minimum(left, least + flat[0][owners]), left)
        right = np.where(within, np.maximum(right, most + flat[1][owners]), right)
    return owners, rows, left, right
