"""Cropping a picture to the people in it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["crop_box"]

_PERSON = 128
"""Levels of the mask from here up count."""


def crop_box(
    mask: NDArray[np.uint8], margin: float = 0.1, aspect: float | None = None
) -> tuple[int, int, int, int] | None:
    """The part of a picture that its people take.

    Args:
        mask: ``(H, W)`` uint8, 255 person, 0 background.
        margin: 0-10; kept on each side, as a share of the people's larger side.
        aspect: width / height of the part; None for the people's own. A part that would reach over the
            picture's edge is moved inside, and one that is larger than the picture is made smaller.

    Returns:
        ``(x_min, y_min, x_max, y_max)`` in pixels, half-open, inside the picture; None without people.
    """
    _, certain = cv2.threshold(mask, _PERSON - 1, 255, cv2.THRESH_BINARY)
    x, y, width, height = cv2.boundingRect(certain)
    if width == 0 or height == 0:
        return None
    rows, columns = mask.shape
    room = margin * max(width, height)
    wide, high = min(width + 2 * room, columns), min(height + 2 * room, rows)
    if aspect is not None:
        wide, high = max(wide, high * aspect), max(high, wide / aspect)
        fit = min(1.0, columns / wide, rows / high)
        wide, high = wide * fit, high * fit
    wide, high = max(1, round(wide)), max(1, round(high))
    left = min(max(round(x + width / 2 - wide / 2), 0), columns - wide)
    top = min(max(round(y + height / 2 - high / 2), 0), rows - high)
    return left, top, left + wide, top + high
