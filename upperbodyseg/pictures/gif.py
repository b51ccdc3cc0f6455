"""GIF files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from upperbodyseg.pictures.errors import PictureError
from upperbodyseg.pictures.limits import PictureLimits
from upperbodyseg.pictures.safe_bytes import SafeBytes

__all__ = ["safe_gif"]

_MAX_BLOCKS = 10_000  # before the first picture; comments and the like have a few
_UNPACKED = 4096  # pixels that one byte of data can unfold into, at most
_LEAST = 0.01  # share of a picture that must be there

_EXTENSION, _PICTURE, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL = 0xF9


class _Block(NamedTuple):
    kind: int
    start: int
    end: int


def safe_gif(content: bytes, limits: PictureLimits) -> SafeBytes:
    """Without comments and other extensions before the first picture, but for its transparency."""
    screen = struct.unpack_from("<HH", content, 6)
    flags = content[10]
    start = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)  # behind the table of colours
    control, at = b"", start
    for block in _extensions(content, start):
        if block.kind == _CONTROL:
            control = content[block.start : block.end]
        at = block.end
    left, top, width, height = struct.unpack_from("<HHHH", content, at + 1)
    # A picture that is larger than the screen enlarges it.
    size = max(screen[0], left + width), max(screen[1], top + height)
    limits.check_size(*size)
    if (len(content) - at) * _UNPACKED < size[0] * size[1] * _LEAST:
        raise PictureError(f"is damaged: it has too few data for {size[0]} x {size[1]} pixels")
    return SafeBytes(content[:start] + control + content[at:])


def _extensions(content: bytes, at: int) -> Iterator[_Block]:
    """Those before the first picture, and padding."""
    blocks = 0
    while (kind := content[at]) != _PICTURE:
        if kind == _TRAILER:
            raise PictureError("is damaged: it ends before its picture")
        start = at
        at += 2 if kind == _EXTENSION else 1
        while kind == _EXTENSION and (size := content[at]):
            at += 1 + size
            blocks += 1
            _check_number(blocks)
        blocks += 1
        _check_number(blocks)
        at += kind == _EXTENSION  # the empty block at its end
        yield _Block(content[start + 1], start, at)


def _check_number(blocks: int) -> None:
    if blocks > _MAX_BLOCKS:
        raise PictureError(f"is damaged: a GIF of more than {_MAX_BLOCKS} blocks before its picture")
