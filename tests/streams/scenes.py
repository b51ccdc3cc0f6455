"""Scenes in which a person moves, for the tests of streams."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upperbodyseg import FrameInput, ImageBuffer, ImageType, SegmentationOutput, UpperBodySegmenter

U8 = NDArray[np.uint8]
HEIGHT = 360
WIDTH = 640


def scene(room: U8, person: U8, x: int, y: int = HEIGHT - 300) -> tuple[U8, U8]:
    """The person over the room with the corner at ``(x, y)``: BGR and alpha."""
    canvas = np.zeros((3 * HEIGHT, 3 * WIDTH, 4), np.uint8)
    height, width = person.shape[:2]
    canvas[HEIGHT + y : HEIGHT + y + height, WIDTH + x : WIDTH + x + width] = person
    part = canvas[HEIGHT : 2 * HEIGHT, WIDTH : 2 * WIDTH]
    alpha = part[..., 3:].astype(np.float32) / 255
    return (part[..., :3] * alpha + room * (1 - alpha)).astype(np.uint8), part[..., 3]


def play(engine: UpperBodySegmenter, bgr: U8, **more: object) -> SegmentationOutput:
    frame = FrameInput(ImageBuffer.view(bgr), 0, ImageType.BGR_888, bool(more.pop("is_still", False)))
    return engine.process(frame, **more)  # type: ignore[arg-type]
