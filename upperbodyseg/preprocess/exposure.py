"""Dark pictures made brighter before the networks see them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["BRIGHT", "exposed"]

BRIGHT = 200
"""Level that a picture's lights are brought to; training/RESULTS.md has what other levels do."""

LIGHTS = 0.02
"""Share of a picture's pixels that counts as its lights: a lamp or a reflection alone does not."""

MAX_GAIN = 25.0
"""Of less light than that only noise is left."""

STEP = 4
"""Only every fourth row and column is looked at: it says the same in a fraction of the time."""


def exposed(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with its lights at :data:`BRIGHT` or above, as a camera would have exposed it.

    All levels are multiplied by one factor, never below 1. People in the dark are not what the networks saw
    most while they learnt.

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
    return cv2.convertScaleAbs(bgr, alpha=min(BRIGHT / max(light, 1), MAX_GAIN))  # type: ignore[return-value]
