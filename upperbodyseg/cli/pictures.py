"""Picture files: reading them upright, writing them whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SUFFIXES", "PictureError", "list_pictures", "read_picture", "write_png"]

SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))
"""Names that end so are pictures when a whole folder is given."""


class PictureError(Exception):
    """A picture file can't be read or written; the message says why, without the path."""


def list_pictures(folder: Path) -> list[Path]:
    """The folder's pictures by name; its subfolders are not looked into."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A picture as BGR ``(H, W, 3)`` uint8, turned as its EXIF orientation says.

    Raises:
        PictureError: the file can't be opened, or holds no picture that OpenCV can decode.
    """
    try:
        if not path.is_file():  # a pipe or a device would be waited for
            raise PictureError("is no file")
        content = path.read_bytes()
    except OSError as exc:
        raise PictureError(f"can't be read: {exc.strerror}") from exc
    if not content:
        raise PictureError("the file is empty")
    try:
        # Decoding from memory rather than by path: OpenCV can't open every path on Windows.
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as exc:
        raise PictureError(f"can't be decoded: {exc.err}") from exc
    except MemoryError as exc:
        raise PictureError("is too large for this machine's memory") from exc
    if picture is None:
        raise PictureError("is no picture in a format that OpenCV can decode, or is damaged")
    return picture  # type: ignore[return-value]


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a PNG; under ``path`` there is the whole picture, or what was there before.

    Raises:
        PictureError: the folder or the file can't be written.
    """
    done, data = cv2.imencode(".png", picture)
    if not done:
        raise PictureError("can't be encoded as PNG")
    part = path.with_name(f".{os.getpid()}.part")  # short: the name may be as long as names get
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data.tobytes())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as exc:
        raise PictureError(f"can't write {path}: {exc.strerror}") from exc
