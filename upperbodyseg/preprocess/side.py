"""The frame's left and right side, where people come in, seen together with their mirror image.

Of somebody who comes in, the frame shows a strip. Its mirror image beside it makes a whole figure, which the
models know.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Box, Region
from upperbodyseg.preprocess.regions import MARGIN, region_around
from upperbodyseg.types import DetectedPerson

__all__ = ["Side", "is_cut", "mirror", "persons_at_side", "region_at_side", "strip_at"]

Side = Literal["left", "right"]

CUT_REACH = 0.25
"""Of the frame's shorter side. What reaches less far into the frame is a person whom the side cuts off."""


def strip_at(side: Side, frame_size: tuple[int, int]) -> Region:
    """The part of a frame at its side that makes a square with its mirror image, or less in tall frames."""
    height, width = frame_size
    strip = min(max(min(height, width) // 4 * 2, 2), width)
    return (
        Region(0, 0, strip, height) if side == "left" else Region((width - strip) // 2 * 2, 0, width, height)
    )


def mirror(pixels: NDArray[np.uint8], side: Side) -> NDArray[np.uint8]:
    """Pixels ``(h, w, ...)`` with their mirror image on that side, ``(h, 2 w, ...)``."""
    image = pixels[:, ::-1]
    return np.concatenate([image, pixels] if side == "left" else [pixels, image], 1)


def persons_at_side(
    persons: Iterable[DetectedPerson], side: Side, frame_size: tuple[int, int]
) -> list[DetectedPerson]:
    """Detections in a mirrored strip (:func:`strip_at`) that reach the frame's side.

    Args:
        persons: with boxes in pixels of the mirrored strip.
        side: where the strip lies.
        frame_size: ``(height, width)`` of the frame.

    Returns:
        The same people, with boxes in pixels of the frame.
    """
    strip = strip_at(side, frame_size)
    found = []
    for person in persons:
        x0, y0, x1, y1 = person.box
        if not x0 < strip.width < x1:
            continue
        reach = min(max(strip.width - x0, x1 - strip.width), strip.width)
        left = 0.0 if side == "left" else frame_size[1] - reach
        found.append(DetectedPerson((left, y0, left + reach, y1), person.score))
    return found


def is_cut(box: Box, side: Side, frame_size: tuple[int, int]) -> bool:
    """Whether a box is that of a person whom the frame's side cuts off."""
    gap, reach = (box[0], box[2]) if side == "left" else (frame_size[1] - box[2], frame_size[1] - box[0])
    return gap < 0.5 * reach and reach < CUT_REACH * min(frame_size)


def region_at_side(box: Box, side: Side, frame_size: tuple[int, int], margin: float = MARGIN) -> Region:
    """The region to segment, with its mirror image, for a person whom the frame's side cuts off.

    Args:
        box: ``(x_min, y_min, x_max, y_max)`` in frame pixels.
        side: which one.
        frame_size: ``(height, width)`` of the frame.
        margin: as for :func:`~upperbodyseg.preprocess.regions.region_around`.

    Returns:
        The frame's half of what :func:`~upperbodyseg.preprocess.regions.region_around` gives for the box
        and its mirror image.
    """
    height, width = frame_size
    reach = box[2] if side == "left" else width - box[0]
    both = region_around((width - reach, box[1], width + reach, box[3]), (height, 2 * width), margin)
    reach = min(width - both.x0, width)
    if side == "left":
        return Region(0, both.y0, min(reach + reach % 2, width), both.y1)
    return Region((width - reach) // 2 * 2, both.y0, width, both.y1)
