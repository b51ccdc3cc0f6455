"""Which way up a video is held."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Orientation"]


class Orientation(NamedTuple):
    """How to turn a decoded frame upright."""

    transpose: bool
    flip: int | None
    """The code for ``cv2.flip``, applied after the transposition; None for no flip."""

    @classmethod
    def of(cls, frame: Any) -> Orientation:
        """Read a PyAV frame's display matrix.

        The matrix has x' = a x + c y, y' = b x + d y (FFmpeg's libavutil/display.h). Angles are rounded to
        multiples of 90 degrees.
        """
        data = frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return cls(False, None)
        a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
        transpose = abs(c) > abs(a)
        x, y = (c, b) if transpose else (a, d)
        flips = {(False, False): None, (True, False): 1, (False, True): 0, (True, True): -1}
        return cls(transpose, flips[x < 0, y < 0])

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn ``(H, W, 3)`` upright."""
        if self.transpose:
            picture = cv2.transpose(picture)
        if self.flip is not None:
            picture = cv2.flip(picture, self.flip)
        return picture
