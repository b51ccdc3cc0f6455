"""PNG files."""

from __future__ import annotations

import struct

from upperbodyseg.pictures.errors import PictureError
from upperbodyseg.pictures.limits import PictureLimits
from upperbodyseg.pictures.safe_bytes import SafeBytes
from upperbodyseg.pictures.tiff import read_orientation

__all__ = ["safe_png"]

_MAX_CHUNKS = 100_000  # encoders write some 8 kB into each
_DEFLATE = 1032  # bytes that one byte of data can unfold into, at most
_LEAST = 0.01  # share of a picture that must be there
_ONCE = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"IEND")


def safe_png(content: bytes, limits: PictureLimits) -> SafeBytes:
    """Without text, which may unfold into much, and without frames: of an animation the still picture."""
    parts = [content[:8]]
    seen: set[bytes] = set()
    orientation, data, at = 1, 0, 8
    if content[12:16] != b"IHDR":
        raise PictureError("is damaged: a PNG begins with its header")
    width, height, depth, colour = struct.unpack_from(">IIBB", content, 16)
    limits.check_size(width, height)
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(content):
            break
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if kind == b"IHDR" and at > 8:
            raise PictureError("is damaged: a PNG has one header")
        if kind == b"IDAT" or (kind in _ONCE and kind not in seen):
            parts.append(content[at:end])
            data += len(parts[-1]) * (kind == b"IDAT")
        elif kind == b"eXIf":
            orientation = read_orientation(content[at + 8 : end - 4])
        seen.add(kind)
        at = end
        if kind == b"IEND":
            break
    else:
        raise PictureError(f"is damaged: a PNG of more than {_MAX_CHUNKS} chunks")
    bits = depth * {2: 3, 4: 2, 6: 4}.get(colour, 1)
    if data * _DEFLATE < height * (width * bits // 8 + 1) * _LEAST:
        raise PictureError(f"is damaged: it has {data} bytes of data for {width} x {height} pixels")
    return SafeBytes(b"".join(parts), orientation)
