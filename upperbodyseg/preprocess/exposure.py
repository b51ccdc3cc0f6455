"""Exposure: a dark picture becomes brighter before the networks see it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["BRIGHT", "exposed"]

BRIGHT = 200
"""Level to which a picture's lights are raised."""

LIGHTS = 0.02
"""Share of a picture's pixels that counts as its lights. A lamp or a reflection alone does not."""

MAX_GAIN = 25.0
"""Largest factor. In less light only noise is left."""

STEP = 4
"""Every fourth row and column tells the lights as well, in a fraction of the time."""


def exposed(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with its lights at :data:`BRIGHT` or above, as a camera would have exposed it.

    One factor, never below 1, multiplies all levels. The networks saw few people in the dark while they
    learnt.

    Args:
        bgr: ``(H, W, 3)`` uint8.

    Returns:
        Likewise; ``bgr`` itself where it is bright as it is.
    """
    blue, green, red = (bgr[::STEP, ::STEP, channel] for channel in range(3))
    levels = np.maximum(np.maximum(blue, green), red).ravel()
    k = int(levels.size * (1 - LIGHTS))
    light = int(np.partition(levels, k)[k])
    if light >= BRIGHT:
        return bgr
    return cv2.convertScaleAbs(bgr, alpha=min(BRIGHT / max(light, 1), MAX_GAIN))
