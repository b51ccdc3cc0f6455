"""Whether somebody is as near to the camera as the main person: by touch, floor, height and head."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.people.closeup import Box
from upperbodyseg.segmenter import SegmentedRegion

__all__ = ["Figure", "figure", "head_width", "is_as_near", "is_behind", "touches"]

# Of the main person's box.
_GAP = 0.15  # beside which somebody still touches
_FLOOR = 0.15  # of the height by which the lower edges of their boxes may differ
_SAME_FLOOR = 0.05  # ... and those of their silhouettes, which are more exact

_HEAD = 0.4
"""Width of a head, by the main person's: with a smaller one somebody is farther away."""

_HEAD_IF_TALL = 0.28
"""The same of somebody who is about as tall."""

_BEHIND = 0.5
"""Of the narrower of two boxes: so much is behind the main person's."""

_HEAD_BEHIND = 0.7
"""The same of somebody behind the main person."""

_TIP = 0.08
"""Of somebody's height: so many rows of the head at least are looked at."""

_STRAY = 0.05
"""Of somebody's widest row: rows with less are no end of theirs."""

_AS_TALL = 0.72
"""Height of somebody, by the main person's, from which on they are as near, whatever their head."""


def touches(main: Box, other: Box) -> bool:
    """Whether somebody is close to the main person, and stands or sits on the same floor."""
    width, height = main[2] - main[0], main[3] - main[1]
    gap_x = max(main[0], other[0]) - min(main[2], other[2])
    gap_y = max(main[1], other[1]) - min(main[3], other[3])
    if gap_x > _GAP * width or gap_y > _GAP * height:
        return False
    return abs(other[3] - main[3]) <= _FLOOR * height


def is_behind(main: Box, other: Box) -> bool:
    """Whether the main person hides somebody's lower end: a parent behind the child, or somebody far away."""
    beside = min(main[2], other[2]) - max(main[0], other[0])
    return main[1] <= other[3] <= main[3] and beside >= _BEHIND * min(main[2] - main[0], other[2] - other[0])


def head_width(person: NDArray[np.bool_]) -> float:
    """About how wide somebody's head is, in pixels; 0 for nobody.

    Args:
        person: ``(h, w)``, where they are. From the top on, rows are taken until they are as many as
            they are wide on average.
    """
    wide = person.sum(1)
    (rows,) = np.nonzero(wide)
    if not rows.size:
        return 0.0
    wide = wide[rows[0] :]
    means = wide.cumsum() / np.arange(1, len(wide) + 1)
    least = max(round(_TIP * len(wide)), 1)  # the first rows are a tip
    (enough,) = np.nonzero(np.arange(1, len(wide) + 1) >= np.maximum(means, least))
    return float(means[enough[0]] if enough.size else means[-1])


class Figure(NamedTuple):
    """Somebody's silhouette in frame pixels: upper and lower end, and the head's width."""

    top: float
    bottom: float
    head: float


def figure(person: NDArray[np.bool_], seen: SegmentedRegion) -> Figure:
    """The silhouette of somebody in a region, ``(h, w)`` of the region's mask."""
    region = seen.region
    wide = person.sum(1)
    if not wide.any():
        return Figure(0.0, 0.0, 0.0)
    (rows,) = np.nonzero(wide >= _STRAY * wide.max())
    y = region.height / person.shape[0]
    head = head_width(person) * region.width / person.shape[1]
    return Figure(region.y0 + float(rows[0]) * y, region.y0 + float(rows[-1] + 1) * y, head)


def is_as_near(main: Figure, other: Figure) -> bool:
    """Whether somebody is as near to the camera as the main person.

    On the same floor that shows in the head and the height. Whose lower end is hidden needs a larger head.
    """
    tall, others = main.bottom - main.top, other.bottom - other.top
    if abs(main.bottom - other.bottom) > _SAME_FLOOR * tall:
        return other.head >= _HEAD_BEHIND * main.head
    least = _HEAD_IF_TALL if others >= _AS_TALL * tall else _HEAD
    return other.head >= least * main.head
