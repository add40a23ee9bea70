"""Cut scenes into segments, which run independently of each other. Pure integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from terratorch.prediction.scenes.extent import Extent, RowBand

# Rows of tiles in a part of a scene, at least: a part runs the row of tiles before it as well,
# as far as the two overlap, so that at most a quarter runs twice.
_LEAST_ROWS = 4


@dataclass(frozen=True)
class Part:
    """Rows of one of several scenes.

    Attributes:
        scene: Index of the scene.
        rows: The rows, and their tiles.
    """

    scene: int
    rows: RowBand


@dataclass(frozen=True)
class Segment:
    """Parts of consecutive scenes that run together.

    Attributes:
        parts: The parts, in the order of the scenes.
        tiles: How many tiles are finished with it; each tile counts in one segment, though it may
            run in two.
    """

    parts: tuple[Part, ...]
    tiles: int


def cut(
    scenes: Sequence[Extent], tiles: int, pixels: int, least_rows: int = _LEAST_ROWS
) -> list[Segment]:
    """Cut scenes into segments that cover each row of pixels once, in order.

    Args:
        scenes: The scenes.
        tiles: A segment ends when it has this many tiles.
        pixels: It also ends when it has this many pixels.
        least_rows: The fewest rows of tiles in a part of a scene, unless the scene is shorter.
    """
    segments: list[Segment] = []
    parts: list[Part] = []
    count = area = 0  # of the segment

    for index, scene in enumerate(scenes):
        begin, rows = scene.begin, 0
        for end in scene.cuts():
            rows += 1
            part_tiles = scene.count_finished(begin, end)
            part_area = (end - begin) * scene.width
            is_full = count + part_tiles >= tiles or area + part_area >= pixels
            at_end = end == scene.height
            # A part without a tile would return no rows.
            can_end = at_end or (
                rows >= least_rows
                and scene.has_tiles(begin, end)
                and scene.has_tiles(end, scene.height)
            )
            if not (at_end or (is_full and can_end)):
                continue
            parts.append(Part(index, scene.band(begin, end)))
            count, area = count + part_tiles, area + part_area
            begin, rows = end, 0
            if is_full:
                segments.append(Segment(tuple(parts), count))
                parts, count, area = [], 0, 0
    return [*segments, Segment(tuple(parts), count)] if parts else segments
