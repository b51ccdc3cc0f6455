from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from gate import FAST, Gate, bgr_frame
from numpy.typing import NDArray

from upperbodyseg import SegmentationOutput, UpperBodySegmenter
from upperbodyseg.pool import SegmenterPool

U8 = NDArray[np.uint8]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()

    def process(*arguments: Any) -> SegmentationOutput:
        return gate.process(*arguments)

    monkeypatch.setattr(UpperBodySegmenter, "process", process)
    yield gate
    gate.open.set()


@pytest.fixture
def blank() -> U8:
    return np.zeros((8, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def pictures(webcam: U8, astronaut: U8, portrait: U8) -> list[U8]:
    """Of different sizes, so that nothing that an engine keeps of one fits the next."""
    small = cv2.resize(astronaut, (97, 131), interpolation=cv2.INTER_AREA)
    return [webcam, astronaut, np.ascontiguousarray(portrait), small, np.zeros((240, 320, 3), np.uint8)]


@pytest.fixture(scope="module")
def expected(pictures: list[U8]) -> list[U8]:
    with UpperBodySegmenter(FAST) as engine:
        return [engine.process(bgr_frame(p, is_still=True)).mask for p in pictures]


@pytest.fixture(scope="module")
def pool() -> Iterator[SegmenterPool]:
    with SegmenterPool(FAST, size=3) as pool:
        yield pool
