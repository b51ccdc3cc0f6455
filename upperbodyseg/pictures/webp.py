"""WebP files."""

from __future__ import annotations

from upperbodyseg.pictures.errors import PictureError
from upperbodyseg.pictures.limits import PictureLimits
from upperbodyseg.pictures.safe_bytes import SafeBytes
from upperbodyseg.pictures.tiff import read_orientation

__all__ = ["safe_webp"]


def safe_webp(content: bytes, limits: PictureLimits) -> SafeBytes:
    """As it is; the decoder allocates the canvas before it tells the size."""
    kind = content[12:16]
    if kind == b"VP8X":
        size = (_little(content, 24, 3) + 1, _little(content, 27, 3) + 1)
    elif kind == b"VP8L":
        bits = _little(content, 21, 4)
        size = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    elif kind == b"VP8 ":
        size = (_little(content, 26, 2) & 0x3FFF, _little(content, 28, 2) & 0x3FFF)
    else:
        raise PictureError("is damaged: a WebP file without a picture")
    limits.check_size(*size)
    return SafeBytes(content, _webp_orientation(content))


def _webp_orientation(content: bytes) -> int:
    at = content.find(b"EXIF", 12)
    if content[12:16] != b"VP8X" or not content[20] & 8 or at < 0:  # 8: EXIF is there
        return 1
    exif = content[at + 8 : at + 8 + _little(content, at + 4, 4)]
    return read_orientation(exif)


def _little(content: bytes, at: int, size: int) -> int:
    if at + size > len(content):
        raise IndexError
    return int.from_bytes(content[at : at + size], "little")
