"""Picture files on the disk: which of a folder's files they are, and their bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from upperbodyseg.pictures.errors import PictureError, PictureTooLargeError
from upperbodyseg.pictures.limits import PictureLimits

__all__ = ["SUFFIXES", "list_pictures", "read_file"]

SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)
"""Names that end so are pictures when a whole folder is given."""


def list_pictures(folder: Path) -> tuple[list[Path], list[Path]]:
    """The pictures of a folder by name, and its other files. Subfolders are ignored.

    Names that begin with ``._`` are resource forks, which macOS leaves beside files on foreign disks. Pipes,
    devices and links that lead nowhere are no pictures, whatever their names are.
    """
    files = sorted(p for p in folder.iterdir() if not p.is_dir())
    pictures = [
        p for p in files if p.suffix.lower() in SUFFIXES and not p.name.startswith("._") and p.is_file()
    ]
    chosen = set(pictures)
    return pictures, [p for p in files if p not in chosen]


def read_file(path: Path, max_bytes: int = PictureLimits.max_bytes) -> bytes:
    """The content of a regular file; a pipe or a device, which would be waited for, is refused.

    Raises:
        PictureError: it can't be read, or is no file, or empty.
        PictureTooLargeError: it has more than ``max_bytes`` bytes.
    """
    try:
        # Not to wait for a pipe's other end; O_BINARY is Windows'.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            os.close(number)
            folder = stat.S_ISDIR(status.st_mode)
            raise PictureError("is a folder, not a picture" if folder else "is no file")
        with open(number, "rb") as file:
            # A byte more than it had tells one that grows meanwhile.
            size = min(status.st_size, max_bytes)
            content = file.read(size + 1) if status.st_size <= max_bytes else b""
            content += file.read(max_bytes + 1 - len(content)) if len(content) > size else b""
    except OSError as exc:
        raise PictureError(f"can't be read: {exc.strerror}") from exc
    except MemoryError as exc:
        raise PictureError("is too large for this machine's memory") from exc
    if status.st_size > max_bytes or len(content) > max_bytes:
        raise PictureTooLargeError(f"is larger than {max_bytes} bytes, the most that is read")
    if not content:
        raise PictureError("is empty")
    return content
