from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scenes import HEIGHT, WIDTH

from upperbodyseg import UpperBodySegmenter, segment

U8 = NDArray[np.uint8]


@pytest.fixture(scope="module")
def room() -> U8:
    room = np.full((HEIGHT, WIDTH, 3), (190, 200, 205), np.uint8)
    room[260:] = (70, 100, 130)
    cv2.rectangle(room, (400, 60), (560, 180), (230, 200, 160), -1)
    return cv2.GaussianBlur(room, (0, 0), 1)


@pytest.fixture(scope="module")
def person(portrait: U8) -> U8:
    """Head and shoulders with their own alpha, BGRA 300 x 282."""
    bgr = cv2.resize(portrait, (282, 300), interpolation=cv2.INTER_AREA)
    return np.dstack([bgr, segment(bgr)])


@pytest.fixture
def stream() -> Iterator[UpperBodySegmenter]:
    with UpperBodySegmenter() as engine:
        yield engine
