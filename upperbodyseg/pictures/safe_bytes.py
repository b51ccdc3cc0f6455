"""What a decoder may see of a file."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["SafeBytes"]


class SafeBytes(NamedTuple):
    """A file made safe.

    Attributes:
        content: the file without metadata, but for colour profiles, and without further frames.
        orientation: 1 to 8 as in EXIF.
        coded_pixels: how many pixels a decoder works on, where that can differ from the picture's size; 0
            where it can't.
    """

    content: bytes
    orientation: int = 1
    coded_pixels: int = 0
