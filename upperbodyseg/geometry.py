"""Rectangles of a frame, resizing, and how a frame lies in a model's square input.

Coordinates are pixels, x before y, half-open: a region covers columns ``x0 .. x1 - 1`` and rows
``y0 .. y1 - 1``. Sizes are ``(height, width)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Letterbox", "Region", "letterbox_geometry", "resize"]


@dataclass(frozen=True)
class Region:
    """A half-open rectangle of whole frame pixels: ``frame[y0:y1, x0:x1]``."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Rows."""
        return self.y1 - self.y0

    @property
    def area(self) -> int:
        """Pixels."""
        return max(self.width, 0) * max(self.height, 0)

    def union(self, other: Region) -> Region:
        """The smallest region that holds both."""
        return Region(
            min(self.x0, other.x0),
            min(self.y0, other.y0),
            max(self.x1, other.x1),
            max(self.y1, other.y1),
        )

    def intersection_area(self, other: Region) -> int:
        """Pixels that both cover."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(width, 0) * max(height, 0)


@dataclass(frozen=True)
class Letterbox:
    """Where the frame lies in the square: ``square = frame * scale + offset``, a side at a time.

    ``left`` and ``top`` are the offsets, ``width`` and ``height`` the scaled frame's size, in
    pixels of the square; ``scale_x`` and ``scale_y`` differ by the rounding of that size.
    """

    scale_x: float
    scale_y: float
    left: int
    top: int
    width: int
    height: int

    def to_frame(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes ``(n, 4)`` from the square's pixels to the frame's: the exact inverse."""
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        scale = np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y], np.float32)
        return (boxes - offset) / scale


def letterbox_geometry(frame_size: tuple[int, int], size: int) -> Letterbox:
    """How a ``(height, width)`` frame fits, centred, into a ``size`` x ``size`` square."""
    height, width = frame_size
    scale = size / max(height, width)
    # Even sizes, because a 4:2:0 frame is resized plane by plane, its chroma at half of this.
    fit_width = min(max(round(width * scale / 2) * 2, 2), size)
    fit_height = min(max(round(height * scale / 2) * 2, 2), size)
    return Letterbox(
        fit_width / width,
        fit_height / height,
        (size - fit_width) // 2,
        (size - fit_height) // 2,
        fit_width,
        fit_height,
    )


def resize(plane: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """A plane ``(H, W)`` or ``(H, W, C)`` uint8 at another size; itself where it has that size."""
    h, w = plane.shape[:2]
    if (h, w) == (height, width):
        return plane
    # INTER_AREA averages what falls into a pixel; when growing, it would give blocks.
    how = cv2.INTER_AREA if h * w > height * width else cv2.INTER_LINEAR
    return cv2.resize(plane, (width, height), interpolation=how)  # type: ignore[return-value]
