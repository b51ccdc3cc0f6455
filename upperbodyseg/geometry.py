"""Geometry: regions of a frame, resizing, and how a frame lies in a model's square input.

Coordinates are pixels, x before y, half-open: a region covers columns ``x0 .. x1 - 1`` and rows
``y0 .. y1 - 1``. Sizes are ``(height, width)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.buffers import Buffers

__all__ = ["Box", "Letterbox", "Region", "box_iou", "letterbox_geometry", "resize"]

Box = tuple[float, float, float, float]
"""``(x_min, y_min, x_max, y_max)`` in pixels, half-open."""


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
    def corners(self) -> tuple[int, int, int, int]:
        """``(x_min, y_min, x_max, y_max)``."""
        return self.x0, self.y0, self.x1, self.y1

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

    def overlap(self, other: Region) -> float:
        """Intersection over union, 0-1."""
        both = self.intersection_area(other)
        return both / max(self.area + other.area - both, 1)

    def contains(self, box: tuple[float, float, float, float]) -> bool:
        """Whether ``(x_min, y_min, x_max, y_max)`` lies inside."""
        return self.x0 <= box[0] and self.y0 <= box[1] and self.x1 >= box[2] and self.y1 >= box[3]


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


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes; 0 where both are empty."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0.0) * max(height, 0.0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / union if union else 0.0


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


def resize(
    plane: NDArray[np.uint8],
    height: int,
    width: int,
    buffers: Buffers | None = None,
    out: NDArray[np.uint8] | None = None,
    quick: bool = False,
) -> NDArray[np.uint8]:
    """A plane ``(H, W)`` or ``(H, W, C)`` uint8 at another size; itself where it has that size.

    Linear interpolation goes down to half the size each way, where every pixel has its part. Further down
    it goes to two or four times the wanted size, and means of whole blocks follow. Pixels are left out only
    below an eighth. A mean over everything (INTER_AREA) takes five times as long where the sizes don't
    divide.

    Args:
        plane: not written to.
        height, width: of the result.
        buffers: scratch memory for the picture between the two steps.
        out: array of the result's shape to write into and return; it doesn't overlap ``plane``.
        quick: the linear step goes further, down to a third, or to two sevenths where means of blocks
            follow. Most pixels have a part, and it takes half of the time.
    """
    h, w = plane.shape[:2]
    if (h, w) == (height, width):
        if out is None:
            return plane
        np.copyto(out, plane)
        return out
    step = (_step(h, height, quick), _step(w, width, quick))
    if step == (height, width):
        return cv2.resize(plane, (width, height), dst=out)
    if step != (h, w):
        between = None if buffers is None else buffers.take("resize", (*step, *plane.shape[2:]))
        plane = cv2.resize(plane, step[::-1], dst=between)
    return cv2.resize(plane, (width, height), dst=out, interpolation=cv2.INTER_AREA)


def _step(length: int, wanted: int, quick: bool) -> int:
    """The length at which ``length`` pixels are between the linear step and the mean of blocks."""
    once, twice = (3, 7) if quick else (2, 4)
    return wanted * (1 if length <= once * wanted else 2 if length <= twice * wanted else 4)
