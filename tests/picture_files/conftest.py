from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fuzz.made_pictures import whole

U8 = NDArray[np.uint8]


@pytest.fixture(scope="module")
def rgb(astronaut: U8) -> U8:
    return np.ascontiguousarray(cv2.resize(astronaut, (96, 64), interpolation=cv2.INTER_AREA)[..., ::-1])


@pytest.fixture(scope="module")
def files(rgb: U8) -> dict[str, bytes]:
    return whole(rgb)
