"""The formats of picture files: which one it is, and its bytes made safe before a decoder sees them.

Made safe is a copy without what a decoder must not meet: metadata, further frames, and headers that cost more
than the picture. Nothing is decoded here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from upperbodyseg.pictures.bmp import safe_bmp
from upperbodyseg.pictures.errors import PictureError
from upperbodyseg.pictures.gif import safe_gif
from upperbodyseg.pictures.heif import safe_avif, safe_heic
from upperbodyseg.pictures.jpeg import safe_jpeg
from upperbodyseg.pictures.limits import PictureLimits
from upperbodyseg.pictures.png import safe_png
from upperbodyseg.pictures.safe_bytes import SafeBytes
from upperbodyseg.pictures.tiff import safe_tiff
from upperbodyseg.pictures.webp import safe_webp

__all__ = ["endings", "is_video", "make_safe", "sniff"]

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_MAKE_SAFE: dict[str, Callable[[bytes, PictureLimits], SafeBytes]] = {
    "JPEG": safe_jpeg,
    "PNG": safe_png,
    "WebP": safe_webp,
    "TIFF": safe_tiff,
    "BMP": safe_bmp,
    "GIF": safe_gif,
    "AVIF": safe_avif,
    "HEIC": safe_heic,
}
_FILLER = b"\xaa"


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


def is_video(content: bytes) -> bool:
    """Whether it begins as MP4, MOV, WebM, Matroska or AVI do; asked where :func:`sniff` knows no picture."""
    return content[4:8] == b"ftyp" or content.startswith(b"\x1aE\xdf\xa3") or content[8:12] == b"AVI "


def make_safe(content: bytes, kind: str, limits: PictureLimits) -> SafeBytes:
    """Take out what a decoder must not meet.

    Args:
        content: the whole file.
        kind: its format, of :func:`sniff`.
        limits: of the sizes that are found where a decoder would allocate before it tells them.

    Raises:
        PictureError: it is damaged in its header, or made to do harm.
        PictureTooLargeError: it is beyond the limits.
    """
    try:
        return _MAKE_SAFE[kind](content, limits)
    except (struct.error, IndexError, OverflowError) as exc:
        raise PictureError("is damaged: it ends within its header") from exc


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
        missing = 8 + int.from_bytes(content[4:8], "little") - len(content)
    elif kind in ("AVIF", "HEIC"):
        at = 0
        while at + 8 <= len(content):
            at += max(int.from_bytes(content[at : at + 4], "big"), 8)
        missing = at - len(content)
    # Of less than half nothing would be seen.
    return (bytes(missing), _FILLER * missing) if 0 < missing <= len(content) else None
