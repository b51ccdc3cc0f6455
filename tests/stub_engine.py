"""An engine without a model, for tests of what is around one."""

from __future__ import annotations

import threading

import numpy as np

from upperbodyseg import FrameInput, ImageBuffer, SegmentationOutput

WAIT_S = 60  # far beyond anything that works


class StubEngine:
    """An engine that takes as long as it is told to, and finds nobody."""

    def __init__(self) -> None:
        self.started = threading.Semaphore(0)
        self.may_go_on = threading.Event()
        self.closed = False

    def process(self, frame: FrameInput, blur_sigma: float = 0.5) -> SegmentationOutput:
        self.started.release()
        assert self.may_go_on.wait(WAIT_S)
        mask = np.zeros((frame.frame.height, frame.frame.width), np.uint8)
        stages = ("preprocess", "detection", "segmentation", "postprocess", "total")
        return SegmentationOutput(
            True, frame.timestamp, ImageBuffer.view(mask), (), dict.fromkeys(stages, 0.0)
        )

    def close(self) -> None:
        self.closed = True
