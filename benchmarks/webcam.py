"""The frame that latencies are measured on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data


def webcam_picture(height: int, width: int) -> NDArray[np.uint8]:
    """One person, waist up, in the middle of a landscape frame; BGR."""
    frame = np.full((height, width, 3), (150, 140, 130), np.uint8)
    side = height * 9 // 10 // 2 * 2
    person = cv2.resize(np.ascontiguousarray(data.astronaut()[..., ::-1]), (side, side))
    left = (width - side) // 2
    frame[height - side :, left : left + side] = person
    return frame
