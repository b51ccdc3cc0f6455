"""Uploaded pictures: what they are and how large, before they are decoded."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.demo.limits import RefusedError

__all__ = ["decode_background", "decode_picture", "encode_picture", "picture_size"]

_NO_PICTURE = "that is no picture the demo can read: it takes JPEG, PNG and WebP"


def decode_picture(content: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """A JPEG, PNG or WebP picture as BGR ``(H, W, 3)`` uint8, turned as its EXIF orientation says.

    Only these three reach OpenCV's decoders. A few kilobytes can unfold into gigabytes, which is
    why the size is read from the header first.

    Raises:
        RefusedError: another format, or damaged (415); more than ``max_pixels`` pixels (413).
    """
    height, width = picture_size(content)
    if height * width > max_pixels:
        raise RefusedError(
            413,
            f"the picture has {width} x {height} pixels; the demo takes {max_pixels / 1e6:.3g} million "
            "at most (the command line takes more)",
        )
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as exc:
        raise RefusedError(415, f"the picture can't be decoded: {exc.err}") from exc
    if picture is None:
        raise RefusedError(415, "the picture is damaged: it can't be decoded")
    return picture  # type: ignore[return-value]


def decode_background(content: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """:func:`decode_picture`, with messages that tell the background from the picture before it."""
    try:
        return decode_picture(content, max_pixels)
    except RefusedError as exc:
        raise RefusedError(exc.status, f"the background: {exc}") from exc


def encode_picture(picture: NDArray[np.uint8], suffix: str) -> bytes:
    """A picture as a file: ".png", without loss, or ".jpg"."""
    # OpenCV's own settings for PNG are its fastest; naming any compression makes it slower.
    options = [cv2.IMWRITE_JPEG_QUALITY, 90] if suffix == ".jpg" else []
    done, data = cv2.imencode(suffix, picture, options)
    if not done:
        raise RefusedError(500, f"the result can't be written as {suffix}")
    return data.tobytes()


def picture_size(content: bytes) -> tuple[int, int]:
    """``(height, width)`` as the header of a JPEG, PNG or WebP file says, before any rotation.

    Raises:
        RefusedError: it is none of these, or ends before its size (415).
    """
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR":
            width, height = _number(content, 16, 4), _number(content, 20, 4)
        elif content.startswith(b"\xff\xd8\xff"):
            height, width = _jpeg_size(content)
        elif content.startswith(b"RIFF") and content[8:12] == b"WEBP":
            height, width = _webp_size(content)
        else:
            raise RefusedError(415, _NO_PICTURE)
    except IndexError as exc:
        raise RefusedError(415, "the picture is damaged: it ends within its header") from exc
    if not height or not width:
        raise RefusedError(415, "the picture is damaged: its header gives no size")
    return height, width


def _number(content: bytes, start: int, size: int, order: str = "big") -> int:
    if start + size > len(content):
        raise IndexError
    return int.from_bytes(content[start : start + size], "little" if order == "little" else "big")


def _jpeg_size(content: bytes) -> tuple[int, int]:
    at = 2
    while True:
        if content[at] != 0xFF:
            raise RefusedError(415, "the picture is damaged: a JPEG without a frame header")
        marker = content[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        # SOF0 to SOF15 hold the size; DHT, JPG and DAC lie among them.
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _number(content, at + 5, 2), _number(content, at + 7, 2)
        elif marker in (0x01, *range(0xD0, 0xD9)):  # these have no content
            at += 2
        else:
            at += 2 + max(_number(content, at + 2, 2), 2)


def _webp_size(content: bytes) -> tuple[int, int]:
    kind = content[12:16]
    if kind == b"VP8X":
        return _number(content, 27, 3, "little") + 1, _number(content, 24, 3, "little") + 1
    if kind == b"VP8L":
        bits = _number(content, 21, 4, "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8 ":
        return _number(content, 28, 2, "little") & 0x3FFF, _number(content, 26, 2, "little") & 0x3FFF
    raise RefusedError(415, _NO_PICTURE)
