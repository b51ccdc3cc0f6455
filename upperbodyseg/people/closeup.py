"""What the separator sees of one person: the picture, the mask and the other people round its box."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import resize
from upperbodyseg.models.spec import SEPARATOR_CHANNELS

__all__ = ["HEAD", "MARGIN", "Box", "Window", "closeup", "head_share", "lay_back", "window_around"]

Box = tuple[float, float, float, float]

MARGIN = 0.25
"""Share of a box's width and height that is shown beyond each of its sides. A detection's sides err by
less."""


HEAD = 0.4
"""Upper share of a box in which a person's head is."""


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
    bgr: NDArray[np.uint8], mask: NDArray[np.uint8], window: Window, others: Iterable[Box], side: int
) -> NDArray[np.uint8]:
    """The separator's input for one person.

    Args:
        bgr: ``(h, w, 3)`` uint8.
        mask: ``(h, w)`` uint8, of whoever is in the picture.
        window: of the picture, round the person.
        others: the other people's boxes, in pixels of the picture.
        side: pixels of the result.

    Returns:
        ``(side, side, SEPARATOR_CHANNELS)`` uint8. Beyond the picture it is 0. The last channel rises from
        0 at the edge of another's box to 255 in its middle.
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
    depth = None
    for box in others:
        x = _depth(box[0], box[2], x0, x1, side)
        y = _depth(box[1], box[3], y0, y1, side)
        if not (x.any() and y.any()):
            continue
        this = np.minimum(x[None], y[:, None])
        depth = this if depth is None else np.maximum(depth, this)
    if depth is not None:
        out[..., 4] = depth
    return out


def head_share(box: Box, some: NDArray[np.uint8], marked: NDArray[np.uint8]) -> float:
    """Share of the marked pixels in the upper part of a box that are some.

    A person's box has their head there. A second box of somebody begins at their shoulders or hips.

    Args:
        box: in pixels of the picture.
        some, marked: ``(h, w)`` uint8, 0 where not.

    Returns:
        0-1; 0 where nothing is marked.
    """
    x0, x1 = max(round(box[0]), 0), max(round(box[2]), 0)
    y0, y1 = max(round(box[1]), 0), max(round(box[1] + HEAD * (box[3] - box[1])), 0)
    upper = marked[y0:y1, x0:x1]
    count = cv2.countNonZero(upper) if upper.size else 0
    return cv2.countNonZero(cv2.bitwise_and(some[y0:y1, x0:x1], upper)) / count if count else 0.0


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


def _depth(low: float, high: float, start: int, end: int, side: int) -> NDArray[np.uint8]:
    """How far from both ends of the interval ``low .. high`` each pixel lies, 0-255."""
    at = start + (np.arange(side, dtype=np.float32) + 0.5) * ((end - start) / side)
    depth = np.minimum(at - low, high - at) * (510 / max(high - low, 1e-3))
    return depth.clip(0, 255).astype(np.uint8)
