"""TIFF files, and EXIF, which has their structure."""

from __future__ import annotations

import struct
from typing import NamedTuple

from upperbodyseg.pictures.errors import PictureError
from upperbodyseg.pictures.limits import PictureLimits
from upperbodyseg.pictures.safe_bytes import SafeBytes

__all__ = ["check_exif", "read_orientation", "safe_tiff"]

_MAX_STRIPS = 100_000  # each becomes a few hundred bytes
_MAX_ENTRIES = 4096  # of a directory

_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_ORIENTATION, _ROWS_PER_STRIP = 274, 278
_OFFSETS = (273, 279, 324, 325)  # of strips and tiles, and how many bytes each has
_FURTHER_IFDS = (330, 34665, 34853, 40965)  # of thumbnails, EXIF, GPS and interoperability


class _Entry(NamedTuple):
    tag: int
    number: int  # of values
    size: int  # bytes in all
    at: int  # of the entry itself
    value_at: int  # of its first value
    value: int  # the first, where it is a whole number


class _Directory(NamedTuple):
    """The first directory of a TIFF file or an EXIF block (TIFF 6.0, section 2; BigTIFF)."""

    entries: list[_Entry]
    order: str
    next_at: int
    next_size: int


def _read_directory(content: bytes) -> _Directory:
    order = "<" if content[:2] == b"II" else ">"
    big = content[2:4] in (b"+\0", b"\0+")
    inline, step = (8, 20) if big else (4, 12)
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)
    (number,) = struct.unpack_from(order + ("Q" if big else "H"), content, start)
    if number > _MAX_ENTRIES:
        raise PictureError(f"is damaged: its header has {number} entries")
    entries = []
    first = start + (8 if big else 2)
    for at in range(first, first + number * step, step):
        tag, kind, count = struct.unpack_from(order + ("HHQ" if big else "HHI"), content, at)
        size = _SIZES.get(kind, 1) * count
        value_at = at + (12 if big else 8)
        if size > inline:
            (value_at,) = struct.unpack_from(order + ("Q" if big else "I"), content, value_at)
        code = {3: "H", 4: "I", 16: "Q"}.get(kind)
        readable = code is not None and count and value_at + _SIZES[kind] <= len(content)
        value = struct.unpack_from(order + str(code), content, value_at)[0] if readable else 0
        entries.append(_Entry(tag, count, size, at, value_at, value))
    return _Directory(entries, order, first + number * step, inline)


def read_orientation(exif: bytes) -> int:
    """1 to 8 of an EXIF block; 1 where it says nothing that can be read."""
    try:
        entries = _read_directory(exif.removeprefix(b"Exif\0\0")).entries
    except (struct.error, OverflowError, PictureError):
        return 1
    value = next((e.value for e in entries if e.tag == _ORIENTATION), 1)
    return value if 1 <= value <= 8 else 1


def safe_tiff(content: bytes, limits: PictureLimits) -> SafeBytes:
    """The first picture, its orientation taken out, and no directory of metadata."""
    found = _read_directory(content)
    _check_sizes(found, len(content))
    safe = bytearray(content)
    orientation = 1
    for entry in found.entries:
        if entry.tag == _ORIENTATION and 1 <= entry.value <= 8:
            orientation = entry.value
            struct.pack_into(found.order + "H", safe, entry.value_at, 1)
        elif entry.tag in _FURTHER_IFDS:
            struct.pack_into(found.order + "H", safe, entry.at, 0xFFFE)  # nobody's
        elif entry.tag in _OFFSETS and entry.number > _MAX_STRIPS:
            raise PictureError(f"is a TIFF of {entry.number} strips or tiles; {_MAX_STRIPS} at most are read")
    safe[found.next_at : found.next_at + found.next_size] = bytes(found.next_size)
    _check_tiles({e.tag: e.value for e in found.entries}, limits)
    return SafeBytes(bytes(safe[: len(content)]), orientation)


def _check_sizes(directory: _Directory, length: int) -> None:
    # Many entries may name the same bytes: each would be copied.
    if sum(e.size for e in directory.entries) > 2 * length + 65_536:
        raise PictureError("is damaged: its header is larger than the file")


def _check_tiles(tags: dict[int, int], limits: PictureLimits) -> None:
    """A tile is allocated whole, however small the picture is."""
    width, height = tags.get(256, 0), tags.get(257, 0)
    limits.check_size(width, height)
    tile = tags.get(322, 0) * tags.get(323, 0)
    if tile > max(4 * width * height, 2**20):
        raise PictureError("is damaged: its tiles are far larger than the picture")


def check_exif(exif: bytes) -> None:
    """Refuse a block whose directory is larger than itself.

    Raises:
        PictureError: it is.
        struct.error, OverflowError: it ends within its header, or is none.
    """
    _check_sizes(_read_directory(exif), len(exif))
