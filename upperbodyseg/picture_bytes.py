"""The bytes of a picture file, made safe before a decoder sees them.

Which format they are in, how the picture is turned, and a copy without what a decoder must not meet:
metadata, further frames, and headers that cost more than the picture. Nothing is decoded here.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import struct
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["BytesError", "SafeBytes", "endings", "make_safe", "read_orientation", "sniff"]

MAX_SCANS = 100
"""Scans of a JPEG. A progressive one has some ten; each costs as much time as the whole picture."""

_MAX_CHUNKS = 100_000  # of a PNG; encoders write some 8 kB into each
_DEFLATE = 1032  # bytes that one byte of a PNG's data can unfold into, at most
_LEAST = 0.01  # share of a picture that must be there
_MAX_STRIPS = 100_000  # of a TIFF; each becomes a few hundred bytes
_MAX_ENTRIES = 4096  # of a TIFF's or EXIF's directory

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"IDAT", b"IEND")
_FILLER = b"\xaa"
_MAX_EXIF = 16  # blocks within an AVIF or HEIC file, which need one
_EXIF = re.compile(rb"II\*\0|MM\0\*")
_SCAN = re.compile(rb"\xff\xda")
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # 00: a data byte of 255; D0-D7: restarts


class BytesError(Exception):
    """The bytes are damaged, or made to do harm; the message says which."""


class SafeBytes(NamedTuple):
    """What a decoder may see.

    Attributes:
        content: the file without metadata, but for colour profiles, and without further frames.
        orientation: 1 to 8 as in EXIF.
    """

    content: bytes
    orientation: int = 1


def sniff(content: bytes) -> str | None:
    """The format by its signature: JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or HEIC; None for others."""
    for start, name in (
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"II+\0", "TIFF"),
        (b"MM\0+", "TIFF"),
        (b"BM", "BMP"),
        (b"GIF87a", "GIF"),
        (b"GIF89a", "GIF"),
    ):
        if content.startswith(start):
            return name
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WebP"
    if content[4:8] == b"ftyp":
        brands = content[8 : min(int.from_bytes(content[:4], "big"), 256)]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        if brands[:4] in _HEIC_BRANDS:
            return "HEIC"
    return None


def make_safe(content: bytes, kind: str, check_size: Callable[[int, int], None]) -> SafeBytes:
    """Take out what a decoder must not meet.

    Args:
        content: the whole file.
        kind: its format, of :func:`sniff`.
        check_size: is called with width and height where a decoder would allocate before it tells them.

    Raises:
        BytesError: it is damaged in its header, or made to do harm.
    """
    try:
        if kind == "JPEG":
            return _safe_jpeg(content)
        if kind == "PNG":
            return _safe_png(content, check_size)
        if kind == "TIFF":
            return _safe_tiff(content)
        if kind == "WebP":
            return _safe_webp(content, check_size)
    except (struct.error, IndexError, OverflowError) as exc:
        raise BytesError("is damaged: it ends within its header") from exc
    if kind in ("AVIF", "HEIC"):
        _check_exif_within(content)
    return SafeBytes(content)


def endings(content: bytes, kind: str) -> tuple[bytes, bytes] | None:
    """What makes a file that was cut short whole, in two ways; None where nothing is missing.

    A decoder that takes a file as it is needs no ending: it keeps what came before the cut. Others need one
    to make the best of what is there. Where only the end mark is missing, or metadata, both ways give the
    same picture: data that are complete ignore what follows them.

    Args:
        content: of :func:`make_safe`.
        kind: its format.
    """
    if kind == "JPEG":
        # No 255 stands alone in a scan's data, so that the mark can't be a part of them.
        if content.endswith(b"\xff\xd9") or content.find(b"\xff\xd9", content.find(b"\xff\xda")) >= 0:
            return None
        return b"\xff\xd9", _FILLER * 64 + b"\xff\xd9"
    missing = 0
    if kind == "WebP":
        missing = 8 + _little(content, 4, 4) - len(content)
    elif kind in ("AVIF", "HEIC"):
        at = 0
        while at + 8 <= len(content):
            at += max(int.from_bytes(content[at : at + 4], "big"), 8)
        missing = at - len(content)
    # Of less than half nothing would be seen.
    return (bytes(missing), _FILLER * missing) if 0 < missing <= len(content) else None


# --- JPEG ---------------------------------------------------------------------------------------


def _safe_jpeg(content: bytes) -> SafeBytes:
    """Without EXIF, XMP, comments and the pictures of multi-picture files; the scans are counted."""
    parts = [content[:2]]
    orientation, frames, at = 1, 0, 2
    while True:
        if content[at] != 0xFF:
            raise BytesError("is damaged: its JPEG header has no marker where one should be")
        marker = content[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in (0x01, *range(0xD0, 0xD9)):  # these have no content
            at += 2
            continue
        if marker == 0xD9:
            raise BytesError("is damaged: it ends before its picture")
        (length,) = struct.unpack_from(">H", content, at + 2)
        if marker == 0xDA:
            break
        segment = content[at + 4 : at + 2 + length]
        if marker == 0xE1 and segment.startswith(b"Exif\0\0"):
            orientation = read_orientation(segment)
        # APP0 JFIF, APP2 ICC, APP14 Adobe: they say what the numbers mean.
        named = (marker, segment[:4]) in ((0xE0, b"JFIF"), (0xE2, b"ICC_"), (0xEE, b"Adob"))
        if named or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            parts.append(content[at : at + 2 + length])
        frames += 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)
        at += 2 + max(length, 2)
    if frames != 1:
        raise BytesError(f"is damaged: a JPEG has one frame header, this one has {frames}")
    _count_scans(content, at)
    parts.append(content[at:])
    return SafeBytes(b"".join(parts), orientation)


def _count_scans(content: bytes, at: int) -> None:
    # Quick, and never too few.
    if sum(1 for _ in itertools.islice(_SCAN.finditer(content, at), MAX_SCANS + 1)) <= MAX_SCANS:
        return
    scans = 0
    while marker := _MARKER.search(content, at):
        at, code = marker.start(), content[marker.start() + 1]
        if code == 0xD9:
            return
        scans += code == 0xDA
        if scans > MAX_SCANS:
            raise BytesError(f"is a JPEG of more than {MAX_SCANS} scans, which would take too long to decode")
        at += 2 + (int.from_bytes(content[at + 2 : at + 4], "big") or 2)


# --- PNG ----------------------------------------------------------------------------------------


def _safe_png(content: bytes, check_size: Callable[[int, int], None]) -> SafeBytes:
    """Without text, which may unfold into much, and without frames: of an animation the still picture."""
    parts = [content[:8]]
    orientation, data, at = 1, 0, 8
    if content[12:16] != b"IHDR":
        raise BytesError("is damaged: a PNG begins with its header")
    width, height, depth, colour = struct.unpack_from(">IIBB", content, 16)
    check_size(width, height)
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(content):
            break
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if kind in _PNG_CHUNKS:
            parts.append(content[at:end])
            data += len(parts[-1]) * (kind == b"IDAT")
        elif kind == b"eXIf":
            orientation = read_orientation(content[at + 8 : end - 4])
        at = end
        if kind == b"IEND":
            break
    else:
        raise BytesError(f"is damaged: a PNG of more than {_MAX_CHUNKS} chunks")
    bits = depth * {2: 3, 4: 2, 6: 4}.get(colour, 1)
    if data * _DEFLATE < height * (width * bits // 8 + 1) * _LEAST:
        raise BytesError(f"is damaged: it has {data} bytes of data for {width} x {height} pixels")
    return SafeBytes(b"".join(parts), orientation)


# --- WebP ---------------------------------------------------------------------------------------


def _safe_webp(content: bytes, check_size: Callable[[int, int], None]) -> SafeBytes:
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
        raise BytesError("is damaged: a WebP file without a picture")
    check_size(*size)
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


# --- TIFF and EXIF ------------------------------------------------------------------------------

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
        raise BytesError(f"is damaged: its header has {number} entries")
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
    except (struct.error, OverflowError, BytesError):
        return 1
    value = next((e.value for e in entries if e.tag == _ORIENTATION), 1)
    return value if 1 <= value <= 8 else 1


def _safe_tiff(content: bytes) -> SafeBytes:
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
            raise BytesError(f"is a TIFF of {entry.number} strips or tiles; {_MAX_STRIPS} at most are read")
    safe[found.next_at : found.next_at + found.next_size] = bytes(found.next_size)
    _check_tiles({e.tag: e.value for e in found.entries})
    return SafeBytes(bytes(safe[: len(content)]), orientation)


def _check_sizes(directory: _Directory, length: int) -> None:
    # Many entries may name the same bytes: each would be copied.
    if sum(e.size for e in directory.entries) > 2 * length + 65_536:
        raise BytesError("is damaged: its header is larger than the file")


def _check_tiles(tags: dict[int, int]) -> None:
    """A tile is allocated whole, however small the picture is."""
    width, height = tags.get(256, 0), tags.get(257, 0)
    tile = tags.get(322, 0) * tags.get(323, 0)
    if tile > max(4 * width * height, 2**20):
        raise BytesError("is damaged: its tiles are far larger than the picture")


def _check_exif_within(content: bytes) -> None:
    """The decoders of AVIF and HEIC read EXIF themselves: look through it first, wherever it is."""
    starts = [match.start() for match in itertools.islice(_EXIF.finditer(content), _MAX_EXIF + 1)]
    if len(starts) > _MAX_EXIF:
        raise BytesError(f"is damaged: it has more than {_MAX_EXIF} blocks of EXIF")
    for at in starts:
        exif = content[at : at + 2**20]
        with contextlib.suppress(struct.error, OverflowError):  # chance, or damaged: then nothing is read
            _check_sizes(_read_directory(exif), len(exif))
