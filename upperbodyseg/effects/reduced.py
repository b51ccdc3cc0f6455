"""Images and masks at a reduced size, where most of the effects' work is done."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["CELLS", "U8", "Plane", "fitting_step", "rounded", "shrink", "widen"]

U8: TypeAlias = NDArray[np.uint8]

Plane: TypeAlias = NDArray[Any]
"""uint8 or float32."""

CELLS = 90
"""Colours are carried over the edge at about so many cells of the frame's shorter side."""


def fitting_step(plane: Plane, most: int) -> int:
    """The largest step, of ``most`` down to its half, that divides both sides; without one, ``most``.

    OpenCV averages whole pixels several times as fast as parts of them.
    """
    height, width = plane.shape[:2]
    most = max(min(most, height, width), 1)
    return next((n for n in range(most, most // 2, -1) if height % n == 0 and width % n == 0), most)


def shrink(plane: Plane, step: int) -> Plane:
    """Average ``step`` x ``step`` pixels (the plane itself, not a copy, for a step of 1)."""
    if step == 1:
        return plane
    size = -(-plane.shape[1] // step), -(-plane.shape[0] // step)
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA)


def widen(share: Plane) -> Plane:
    """Grow the person by a cell: the mask's edge may lie a little inside theirs."""
    return cv2.dilate(share, np.ones((3, 3), np.uint8))


def rounded(values: Plane) -> Plane:
    """To uint8, cut to 0-255."""
    return cv2.convertScaleAbs(values)
