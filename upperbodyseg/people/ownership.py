"""Whose each pixel of a frame's mask is.

Every person's share comes from the separator, in the region where their box lies. The largest share of a
pixel has it. What no share reaches goes to the nearest box, so that all persons' masks add up to the
frame's.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.people.closeup import Box
from upperbodyseg.people.separator import PersonSeparator
from upperbodyseg.segmenter import SegmentedRegion

__all__ = ["are_close", "home_of", "owners"]

_TOUCHING = 0.15
"""Share of a box's sides by which another may be away from it: beyond, the two need no telling apart."""

_INSIDE, _OUTSIDE = 254, 64
"""Share of somebody who stands alone, in the box and elsewhere in the region."""


def are_close(one: Box, other: Box) -> bool:
    """Whether two people may share pixels that a box can't tell apart."""
    width, height = one[2] - one[0], one[3] - one[1]
    gap_x = max(one[0], other[0]) - min(one[2], other[2])
    gap_y = max(one[1], other[1]) - min(one[3], other[3])
    return gap_x < _TOUCHING * width and gap_y < _TOUCHING * height


def home_of(box: Box, views: Sequence[SegmentedRegion]) -> int:
    """The region that holds the most of a box, and of several the smallest."""

    def held(i: int) -> tuple[float, int]:
        region = views[i].region
        width = min(box[2], region.x1) - max(box[0], region.x0)
        height = min(box[3], region.y1) - max(box[1], region.y0)
        area = max((box[2] - box[0]) * (box[3] - box[1]), 1e-6)
        return round(max(width, 0) * max(height, 0) / area, 2), -region.area

    return max(range(len(views)), key=held)


def owners(
    separator: PersonSeparator | None,
    views: Sequence[SegmentedRegion],
    boxes: Sequence[Box],
    mask: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """The number of the person to whom each pixel of a frame's mask belongs.

    Args:
        separator: None where no two boxes are close.
        views: the frame's regions.
        boxes: a person each, in frame pixels; at most 255.
        mask: ``(H, W)`` uint8, the frame's.

    Returns:
        ``(H, W)`` uint8. Where the mask is 0 it says nothing.

    Raises:
        InferenceError: the runtime failed.
    """
    owner = np.zeros(mask.shape, np.uint8)
    best = np.zeros(mask.shape, np.uint8)
    for number, box in enumerate(boxes):
        seen = views[home_of(box, views)]
        others = [other for k, other in enumerate(boxes) if k != number]
        x0, y0, x1, y1 = seen.region.corners
        place = np.s_[y0:y1, x0:x1]
        if separator is not None and any(are_close(box, other) for other in others):
            share = separator.share(seen, box, others)
            share = cv2.resize(share, (x1 - x0, y1 - y0))
        else:
            share = np.full((y1 - y0, x1 - x0), _OUTSIDE, np.uint8)
            left, top, right, bottom = (round(v) for v in box)
            share[max(top - y0, 0) : bottom - y0, max(left - x0, 0) : right - x0] = _INSIDE
        wins = share > best[place]
        owner[place][wins] = number
        np.maximum(best[place], share, out=best[place])
    _to_the_nearest(owner, (best == 0) & (mask > 0), boxes)
    return owner


def _to_the_nearest(owner: NDArray[np.uint8], left: NDArray[np.bool_], boxes: Sequence[Box]) -> None:
    """Give the pixels that are left to the person whose box is nearest."""
    rows, columns = np.nonzero(left)
    if not rows.size or len(boxes) < 2:
        return
    nearest = np.full(rows.shape, np.inf, np.float32)
    whose = np.zeros(rows.shape, np.uint8)
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        x = np.maximum(np.maximum(x0 - columns, columns - x1), 0).astype(np.float32)
        y = np.maximum(np.maximum(y0 - rows, rows - y1), 0).astype(np.float32)
        distance = x * x + y * y
        closer = distance < nearest
        whose[closer] = number
        np.minimum(nearest, distance, out=nearest)
    owner[rows, columns] = whose
