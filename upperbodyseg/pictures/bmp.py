"""BMP files."""

from __future__ import annotations

import struct

from upperbodyseg.pictures.errors import PictureError
from upperbodyseg.pictures.limits import PictureLimits
from upperbodyseg.pictures.safe_bytes import SafeBytes

__all__ = ["safe_bmp"]

_MOST_RUNS = 4 * 2**20
"""Bytes of a picture that is coded by run lengths. Pillow decodes them in Python, at some 3 MB a second."""

_RUN_LENGTHS = (1, 2)  # compression: of 8 and of 4 bits


def safe_bmp(content: bytes, limits: PictureLimits) -> SafeBytes:
    """As it is."""
    (header,) = struct.unpack_from("<I", content, 14)
    if header >= 40:
        width, height, _, _, compression = struct.unpack_from("<iiHHI", content, 18)
        limits.check_size(abs(width), abs(height))
        if compression in _RUN_LENGTHS and len(content) > _MOST_RUNS:
            raise PictureError(
                f"is a BMP of {len(content)} bytes coded by run lengths; {_MOST_RUNS} at most are read"
            )
    return SafeBytes(content)
