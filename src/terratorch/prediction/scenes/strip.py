"""A scene in a file, of which tiles are read from a strip of rows that moves down the scene."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terratorch.contracts.images import Images, each_image
from terratorch.tiles.plan import Tile, TilePlan
from terratorch.tiles.source import Source, Stretch, filled

_LEAST_ROWS, _MOST_ROWS = 128, 1024  # of one read: no tiny reads, and no need to hold a whole file


# Returns which pixels are valid and selected, given the first row, the row after the last, and the
# number of columns.
TakeValid = Callable[[int, int, int], Tensor | None]


class RowReader(Protocol):
    """An open image.

    Attributes:
        block_height: Rows that the file stores together.
    """

    block_height: int

    def read_rows(self, begin: int, end: int) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Return `(C, n, W)` in the dtype of the file, and the invalid pixels; None for none."""
        ...

    def to_image(self, data: NDArray[Any], invalid: NDArray[np.bool_] | None) -> Images:
        """Return what the model sees of pixels `(C, h, w)`: `(1, C, h, w)`, or with time.

        Several modalities may share the bands.
        """
        ...

    def facts(self, top: int, left: int, height: int, width: int) -> Mapping[str, Images]:
        """Return what is known of a window, as a batch of one."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class ValidRows:
    """Where the rows that were read are valid, until they are written."""

    def __init__(self) -> None:
        self._parts: deque[tuple[int, NDArray[np.bool_] | None, int]] = deque()

    def add(self, begin: int, end: int, valid: NDArray[np.bool_] | None) -> None:
        """Take the `(n, W)` of rows after those before; None if all are valid."""
        self._parts.append((begin, valid, end))

    def take(self, begin: int, end: int, width: int) -> NDArray[np.bool_] | None:
        """Return where rows that follow those taken before are valid, `(n, W)`; None if all are."""
        taken: NDArray[np.bool_] | None = None
        while self._parts and self._parts[0][0] < end:
            first, valid, last = self._parts[0]
            if valid is not None and last > begin:
                taken = np.ones((end - begin, width), bool) if taken is None else taken
                top, bottom = max(first, begin), min(last, end)
                taken[top - begin : bottom - begin] = valid[top - first : bottom - first]
            if last > end:
                break
            self._parts.popleft()
        return taken


def valid_and_selected(
    valid: ValidRows,
    size: tuple[int, int],
    patch_size: int,
    selected: Callable[[int, int], NDArray[np.bool_]] | None,
    begin: int,
    end: int,
    width: int,
) -> Tensor | None:
    """Return which pixels of the outputs are valid and selected, `(n, W)`; None if all are.

    A patch is valid if one of its pixels is.

    Args:
        valid: Where the pixels of the image are valid.
        size: Height and width of the image.
        patch_size: Pixels of the image along a side of a pixel of the outputs.
        selected: Returns the selected pixels of some rows of the outputs; None for all.
        begin: The first row of the outputs.
        end: The row after the last.
        width: Columns of the outputs.
    """
    height, columns = size
    seen = valid.take(begin * patch_size, min(end * patch_size, height), columns)
    if seen is not None and patch_size > 1:
        padding = [
            (0, count * patch_size - length)
            for count, length in zip((end - begin, width), seen.shape, strict=True)
        ]
        cells = np.pad(seen, padding).reshape(end - begin, patch_size, width, patch_size)
        seen = np.asarray(cells.any(axis=(1, 3)))
    if selected is not None:
        chosen = selected(begin, end)
        seen = chosen if seen is None else seen & chosen
    return None if seen is None else torch.from_numpy(seen)


class PatchSource:
    """Tiles that are counted in patches, read from an image in pixels.

    Args:
        source: The image.
        patch_size: Pixels along a side of a patch.
    """

    def __init__(self, source: Source, patch_size: int) -> None:
        self.source, self.patch_size = source, patch_size

    def read(self, tile: Tile) -> Images:
        """Return what the model sees of a tile, as a batch of one."""
        return self.source.read(tile.scaled(self.patch_size))

    def facts(self, tile: Tile) -> Mapping[str, Images]:
        """Return what is known of a tile, as a batch of one."""
        return self.source.facts(tile.scaled(self.patch_size))

    def close(self) -> None:
        """Close the image."""
        self.source.close()


class StripSource:
    """Tiles of a scene in a file, in the order of the plan; each row of the file is read once.

    Only rows of tiles that are being read are held, in the dtype of the file. Rows beyond the scene
    are held where the padding mode is circular, which takes them from the other end.

    Args:
        open_reader: Opens the file, once the first tile is read.
        plan: The tiles.
        height: Rows of the scene.
        width: Columns of the scene.
        padding: The padding mode; None if all tiles are inside the scene.
        valid: Records where the rows are valid.
    """

    def __init__(
        self,
        open_reader: Callable[[], RowReader],
        plan: TilePlan,
        height: int,
        width: int,
        padding: str | None,
        valid: ValidRows,
    ) -> None:
        self.plan, self.height, self.width = plan, height, width
        self.padding = padding or "reflect"
        self.valid = valid
        self._open_reader = open_reader
        self._reader: RowReader | None = None
        circular = self.padding == "circular"
        self._first = min(plan.rows.starts[0], 0) if circular else 0
        self._end = max(plan.rows.starts[-1] + plan.rows.crop, height) if circular else height
        self._top = self._bottom = self._first
        self._data: NDArray[Any] | None = None
        self._invalid: NDArray[np.bool_] | None = None

    def read(self, tile: Tile) -> Images:
        """Return what the model sees of a tile, as a batch of one, filled up beyond the scene."""
        top = max(tile.top, self._first)
        bottom = min(tile.top + tile.height, self._end)
        reader = self._hold(top, bottom)
        rows = slice(top - self._top, bottom - self._top)
        down = Stretch(tile.top, tile.height, self.height)
        across = Stretch(tile.left, tile.width, self.width)
        if self.padding == "circular":
            columns = np.arange(tile.left, tile.left + tile.width) % self.width
            return self._image(reader, rows, columns)
        left = tile.left + across.before
        right = tile.left + tile.width - across.after
        inside = self._image(reader, rows, slice(left, right))
        return each_image(inside, partial(filled, down=down, across=across, mode=self.padding))

    def facts(self, tile: Tile) -> Mapping[str, Images]:
        """Return what is known of a tile that was read, as a batch of one."""
        assert self._reader is not None, "the tile was read before"
        return self._reader.facts(tile.top, tile.left, tile.height, tile.width)

    def close(self) -> None:
        """Close the file and free the rows."""
        if self._reader is not None:
            self._reader.close()
        self._data = self._invalid = None

    def _image(self, reader: RowReader, rows: slice, columns: Any) -> Images:
        assert self._data is not None, "rows are held before they are looked at"
        data = self._data[:, rows, columns]
        if self._invalid is None:
            return reader.to_image(data, None)
        invalid = self._invalid[:, rows, columns]
        return reader.to_image(data, invalid if invalid.any() else None)

    def _hold(self, top: int, bottom: int) -> RowReader:
        """Read rows up to `bottom`, and free those before `top`."""
        if self._reader is None:
            self._reader = self._open_reader()
        if bottom > self._bottom:
            block = self._reader.block_height
            step = block if block > _LEAST_ROWS else -(-_LEAST_ROWS // block) * block
            step = min(step, _MOST_ROWS)
            if top - top % step > self._bottom:
                self._data = self._invalid = None
                self._top = self._bottom = top - top % step
            self._free(top)
            # Up to where a block ends, so that none is decoded twice.
            end = min(-(-bottom // step) * step, max(self.height, bottom))
            parts = []
            for begin in range(self._bottom, end, _MOST_ROWS):
                parts += self._read(self._reader, begin, min(begin + _MOST_ROWS, end))
            self._append(parts)
            self._bottom = end
        return self._reader

    def _read(
        self, reader: RowReader, begin: int, end: int
    ) -> list[tuple[NDArray[Any], NDArray[np.bool_] | None]]:
        """Read rows, which wrap around at the end of the scene."""
        parts = []
        while begin < end:
            first = begin % self.height
            last = min(first + end - begin, self.height)
            data, invalid = reader.read_rows(first, last)
            parts.append((data, invalid))
            if 0 <= begin < self.height:
                hidden: NDArray[np.bool_] | None = (
                    None if invalid is None else np.any(invalid, axis=0)
                )
                self.valid.add(first, last, None if hidden is None else ~hidden)
            begin += last - first
        return parts

    def _free(self, top: int) -> None:
        """Drop the rows before `top`; a copy, so that the memory is free."""
        gone = min(top, self._bottom) - self._top
        if self._data is not None and gone > 0:
            self._data = self._data[:, gone:].copy()
            if self._invalid is not None:
                self._invalid = self._invalid[:, gone:].copy()
        self._top += max(gone, 0)

    def _append(self, parts: list[tuple[NDArray[Any], NDArray[np.bool_] | None]]) -> None:
        held = [] if self._data is None else [(self._data, self._invalid)]
        together = [part for part in [*held, *parts] if part[0].shape[1]]
        self._data = np.concatenate([data for data, _ in together], axis=1)
        if all(invalid is None for _, invalid in together):
            self._invalid = None
            return
        self._invalid = np.concatenate(
            [
                np.zeros(data.shape, bool) if invalid is None else invalid
                for data, invalid in together
            ],
            axis=1,
        )
