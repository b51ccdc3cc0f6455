"""Frames that wait, for the tests of the pool."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from upperbodyseg import (
    FrameInput,
    ImageBuffer,
    InputError,
    SegmentationOutput,
    SegmenterOptions,
    UpperBodySegmenter,
)

U8 = NDArray[np.uint8]
FAST = SegmenterOptions(model="fast")
PATIENCE = 60  # seconds until a wait that should end counts as a hang


def bgr_frame(bgr: U8, timestamp: int = 0, is_still: bool = False) -> FrameInput:
    return FrameInput.from_array(bgr, timestamp=timestamp, is_still=is_still)


class Gate:
    """Stands in for UpperBodySegmenter.process: frames begin, and end when they are let."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun: list[FrameInput] = []
        self._begun = threading.Condition()

    def process(self, engine: UpperBodySegmenter, frame: FrameInput, sigma: float) -> SegmentationOutput:
        with self._begun:
            self.begun.append(frame)
            self._begun.notify_all()
        assert self.open.wait(PATIENCE)
        assert engine.is_initialized
        if sigma < 0:
            raise InputError("negative")
        return SegmentationOutput(True, frame.timestamp, ImageBuffer())

    def wait_until_begun(self, count: int) -> None:
        with self._begun:
            assert self._begun.wait_for(lambda: len(self.begun) >= count, PATIENCE)


def ends(function: Callable[[], object]) -> bool:
    """Whether a call in another thread returns, where a lock that was never released would stop it."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return not thread.is_alive()
