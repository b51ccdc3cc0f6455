"""Pictures that videos are made of."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
HEIGHT, WIDTH = 120, 160


@pytest.fixture(scope="session")
def pictures(portrait: U8) -> list[U8]:
    """Twelve BGR frames 120 x 160: a woman's head and shoulders move by two pixels a frame."""
    frames = []
    person = cv2.resize(portrait, (112, 120), interpolation=cv2.INTER_AREA)
    for i in range(12):
        frame = np.full((HEIGHT, WIDTH, 3), (150, 140, 130), np.uint8)
        frame[:, 2 * i : 2 * i + 112] = person
        frames.append(frame)
    return frames
