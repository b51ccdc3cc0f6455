"""What the separator sees of one person: the picture, the mask and the other people round its box."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Box, resize
from upperbodyseg.models.spec import SEPARATOR_CHANNELS
from upperbodyseg.types import DetectedPerson

__all__ = [
    "MARGIN",
    "NOBODY_ELSE",
    "Told",
    "Window",
    "closeup",
    "lay_back",
    "told_of_others",
    "window_around",
]


class Told(NamedTuple):
    """What the separator is told of other people.

    Attributes:
        boxes: ``(N, 4)`` float32.
        counts: ``(N,)`` float32, 0-1: how surely each is somebody else's.
    """

    boxes: NDArray[np.float32]
    counts: NDArray[np.float32]


NOBODY_ELSE = Told(np.empty((0, 4), np.float32), np.empty(0, np.float32))

MARGIN = 0.25
"""Share of a box's width and height that is shown beyond each of its sides. A detection's sides err by
less."""


_OF_THE_SAME = 0.7
"""IoU of two detections from which on they are of one person."""

_DOUBTED = 0.6
"""What a detection that is no person counts beside one, if its score is 1."""

_WORTH_TELLING = 0.2
"""Least score of a detection that the separator is told of."""


def told_of_others(
    box: Box, persons: Iterable[DetectedPerson], overlapping: Iterable[DetectedPerson]
) -> Told:
    """What may be other people than the one in a box.

    Args:
        box: of the person.
        persons: whom the frame shows.
        overlapping: everything that the detector saw.

    Returns:
        The boxes of others. Persons count in full, other detections by their scores.
    """
    certain = [p.box for p in persons]
    doubted = [p for p in overlapping if p.score >= _WORTH_TELLING]
    boxes = np.array([*certain, *(p.box for p in doubted)], np.float32).reshape(-1, 4)
    counts = np.array([1.0] * len(certain) + [_DOUBTED * min(p.score, 1.0) for p in doubted], np.float32)
    x0, y0, x1, y1 = boxes.T
    width, height = (
        np.minimum(x1, box[2]) - np.maximum(x0, box[0]),
        np.minimum(y1, box[3]) - np.maximum(y0, box[1]),
    )
    both = np.maximum(width, 0) * np.maximum(height, 0)
    either = (x1 - x0) * (y1 - y0) + (box[2] - box[0]) * (box[3] - box[1]) - both
    other = both < _OF_THE_SAME * either
    return Told(boxes[other], counts[other])


class Window(NamedTuple):
    """A half-open rectangle of whole pixels; it may reach past the picture."""

    x0: int
    y0: int
    x1: int
    y1: int


def window_around(box: Box) -> Window:
    """The window of the picture that the separator sees for a box in the picture's pixels."""
    x0, y0, x1, y1 = box
    pad_x, pad_y = (x1 - x0) * MARGIN, (y1 - y0) * MARGIN
    left, top = math.floor(x0 - pad_x), math.floor(y0 - pad_y)
    return Window(left, top, max(math.ceil(x1 + pad_x), left + 2), max(math.ceil(y1 + pad_y), top + 2))


def closeup(
    bgr: NDArray[np.uint8], mask: NDArray[np.uint8], window: Window, others: Told, side: int
) -> NDArray[np.uint8]:
    """The separator's input for one person.

    Args:
        bgr: ``(h, w, 3)`` uint8.
        mask: ``(h, w)`` uint8, of whoever is in the picture.
        window: of the picture, round the person.
        others: detections that may be other people, in pixels of the picture.
        side: pixels of the result.

    Returns:
        ``(side, side, SEPARATOR_CHANNELS)`` uint8. Beyond the picture it is 0. The last channel rises from
        0 at the edge of another's box to 255 times what it counts in its middle.
    """
    height, width = mask.shape
    x0, y0, x1, y1 = window
    inside = np.s_[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    out = np.zeros((side, side, SEPARATOR_CHANNELS), np.uint8)
    seen_x, seen_y = _inside(x0, x1, width, side), _inside(y0, y1, height, side)
    if seen_x[0] < seen_x[1] and seen_y[0] < seen_y[1] and mask[inside].size:
        size = (seen_y[1] - seen_y[0], seen_x[1] - seen_x[0])
        place = np.s_[seen_y[0] : seen_y[1], seen_x[0] : seen_x[1]]
        out[place][..., :3] = resize(bgr[inside], *size)
        out[place][..., 3] = resize(mask[inside], *size)
    if len(others.counts):
        low, high = others.boxes[:, :2], others.boxes[:, 2:]
        x = _depth(low[:, 0], high[:, 0], x0, x1, side, others.counts)
        y = _depth(low[:, 1], high[:, 1], y0, y1, side, others.counts)
        out[..., 4] = np.minimum(x[:, None], y[:, :, None]).max(0)
    return out


def lay_back(shares: NDArray[np.uint8], window: Window, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """What the separator says about a window, where it lies in the picture; 0 elsewhere.

    Args:
        shares: ``(side, side)`` uint8.
        window: of the picture.
        shape: ``(h, w)`` of the picture.
    """
    x0, y0, x1, y1 = window
    height, width = shape
    if x1 - x0 <= 2 * width and y1 - y0 <= 2 * height:
        out = np.zeros(shape, np.uint8)
        top, bottom, left, right = max(y0, 0), min(y1, height), max(x0, 0), min(x1, width)
        if top < bottom and left < right:
            large = cv2.resize(shares, (x1 - x0, y1 - y0))
            out[top:bottom, left:right] = large[top - y0 : bottom - y0, left - x0 : right - x0]
        return out
    # Of a box far larger than the picture, never the whole.
    scale_x, scale_y = shares.shape[1] / (x1 - x0), shares.shape[0] / (y1 - y0)
    matrix = np.array([[scale_x, 0, (0.5 - x0) * scale_x - 0.5], [0, scale_y, (0.5 - y0) * scale_y - 0.5]])
    return cv2.warpAffine(shares, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def _inside(start: int, end: int, limit: int, side: int) -> tuple[int, int]:
    """Which of the ``side`` pixels between ``start`` and ``end`` lie in a picture of ``limit`` pixels."""
    scale = side / (end - start)
    return (
        min(max(round((0 - start) * scale), 0), side),
        min(max(round((limit - start) * scale), 0), side),
    )


def _depth(
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    start: int,
    end: int,
    side: int,
    counts: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """How far from both ends of each interval ``low .. high`` each pixel lies, 0-255 times what it counts.

    Returns:
        ``(N, side)`` uint8.
    """
    at = start + (np.arange(side, dtype=np.float32) + 0.5) * ((end - start) / side)
    depth = np.minimum(at - low[:, None], high[:, None] - at)
    depth *= (510 / np.maximum(high - low, 1e-3))[:, None]
    scaled: NDArray[np.uint8] = (depth.clip(0, 255) * counts[:, None]).astype(np.uint8)
    return scaled
