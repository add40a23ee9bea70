"""PNG pictures as data URIs, so that they stand inside a page."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BIT_DEPTH = 8
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: grey, with alpha, RGB, with alpha
_NO_FILTER, _UP = 0, 2


def png_data_uri(pixels: NDArray[np.uint8]) -> str:
    """Return a picture `(H, W, C)` of 1 to 4 channels as a `data:` URI."""
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode("ascii")


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture `(H, W, C)` as the bytes of a PNG file.

    The format is https://www.w3.org/TR/png-3/. Each row is stored as its difference to the row
    above or as it is, whichever makes the smaller file.
    """
    assert pixels.dtype == np.uint8, pixels.dtype
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, _BIT_DEPTH, _COLOR_TYPES[channels], 0, 0, 0)
    rows = np.ascontiguousarray(pixels).reshape(height, width * channels)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    packed = min(_packed(rows, _NO_FILTER), _packed(rows - above, _UP), key=len)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _packed(rows: NDArray[np.uint8], filter_type: int) -> bytes:
    marked = np.pad(rows, ((0, 0), (1, 0)), constant_values=filter_type)
    return zlib.compress(marked.tobytes(), 9)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
