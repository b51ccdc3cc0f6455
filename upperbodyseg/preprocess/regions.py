"""From the boxes of detections to the regions of the frame that the segmenter sees.

A region never reaches past the frame, so it is a plain slice of the frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Region
from upperbodyseg.types import DetectedPerson

__all__ = ["MARGIN", "MAX_REGIONS", "group_persons", "grown", "region_around", "regions_from_boxes"]

MARGIN = 0.15
"""Share of a box's width and height that is added on each of its sides."""

MAX_REGIONS = 8
"""Most regions segmented in one frame, which bounds its time. Beyond it the nearest ones are merged, so
that nobody is dropped."""

MAX_STRETCH = 1.5
"""A region whose sides differ by more than this factor is widened, where the frame has room. The
segmenter's input is square."""

MERGE_OVERLAP = 0.3
"""Two regions become one when their intersection covers this share of the smaller."""

MERGE_INSIDE = 0.7
"""Above this share of the smaller one it nearly lies inside the other."""

MAX_MERGED_ASPECT = 2.5
"""Regions are not merged into one longer than this, unless one nearly contains the other. People in a
square input would become too thin."""

CUT = 0.1
"""Share of a region's side. With more of it marked, the region cuts a person off."""


def _widen(low: float, high: float, wanted: float, limit: int) -> tuple[float, float]:
    """Grow the interval to ``wanted`` inside ``0 .. limit``, sliding off an edge it meets."""
    missing = min(wanted, limit) - (high - low)
    if missing <= 0:
        return low, high
    low, high = low - missing / 2, high + missing / 2
    if low < 0:
        low, high = 0, high - low
    if high > limit:
        low, high = low - (high - limit), limit
    return max(low, 0), high


def _snap(low: float, high: float, limit: int) -> tuple[int, int]:
    # Even starts and ends keep a region on whole chroma samples of a 4:2:0 frame; only the
    # frame's own odd edge may be odd.
    start = math.floor(low / 2) * 2
    end = min(math.ceil(high / 2) * 2, limit)
    start = max(min(start, limit - 1) // 2 * 2, 0)
    return start, max(end, min(start + 2, limit))


def region_around(
    box: tuple[float, float, float, float],
    frame_size: tuple[int, int],
    margin: float = MARGIN,
) -> Region:
    """The region to segment for one person.

    Args:
        box: ``(x_min, y_min, x_max, y_max)`` in frame pixels; it may reach past the frame.
        frame_size: ``(height, width)`` of the frame.
        margin: share of the box's sides added on every side.

    Returns:
        The box with its margin, widened towards a square where it is long and the frame has
        room, cut to the frame, on even coordinates except at an odd frame edge.
    """
    height, width = frame_size
    x0, y0, x1, y1 = box
    pad_x, pad_y = (x1 - x0) * margin, (y1 - y0) * margin
    x0, x1 = max(x0 - pad_x, 0), min(x1 + pad_x, width)
    y0, y1 = max(y0 - pad_y, 0), min(y1 + pad_y, height)
    x0, x1 = _widen(x0, x1, (y1 - y0) / MAX_STRETCH, width)
    y0, y1 = _widen(y0, y1, (x1 - x0) / MAX_STRETCH, height)
    left, right = _snap(x0, x1, width)
    top, bottom = _snap(y0, y1, height)
    return Region(left, top, right, bottom)


def grown(region: Region, mask: NDArray[np.uint8], frame_size: tuple[int, int]) -> Region:
    """The region with more room, where one of its sides cuts a person off.

    Args:
        region: where ``mask`` lies in the frame.
        mask: ``(h, w)`` uint8 0-255, of any size; marked from 128 on.
        frame_size: ``(height, width)`` of the frame.

    Returns:
        A region that holds the given one and :data:`MARGIN` round all that is marked. The same one where
        no side inside the frame is marked for more than :data:`CUT` of its length.
    """
    height, width = frame_size
    marked = (mask >= 128).view(np.uint8)
    sides = (
        (marked[:, 0], region.x0 > 0),
        (marked[:, -1], region.x1 < width),
        (marked[0], region.y0 > 0),
        (marked[-1], region.y1 < height),
    )
    if not any(inside and side.mean() > CUT for side, inside in sides):
        return region
    x, y, w, h = cv2.boundingRect(marked)
    scale_x, scale_y = region.width / mask.shape[1], region.height / mask.shape[0]
    left, top = region.x0 + x * scale_x, region.y0 + y * scale_y
    return region.union(region_around((left, top, left + w * scale_x, top + h * scale_y), frame_size))


def _belong_together(a: Region, b: Region) -> bool:
    smaller = min(a.area, b.area)
    share = a.intersection_area(b) / smaller if smaller else 1.0
    if share < MERGE_OVERLAP:
        return False
    both = a.union(b)
    aspect = max(both.width / both.height, both.height / both.width)
    return share > MERGE_INSIDE or aspect <= MAX_MERGED_ASPECT


def _merge_once(regions: list[Region]) -> list[Region] | None:
    for i, a in enumerate(regions):
        for j in range(i + 1, len(regions)):
            if _belong_together(a, regions[j]):
                rest = [r for k, r in enumerate(regions) if k not in (i, j)]
                return [a.union(regions[j]), *rest]
    return None


def _merge_nearest(regions: list[Region]) -> list[Region]:
    pairs = ((i, j) for i in range(len(regions)) for j in range(i + 1, len(regions)))
    i, j = min(
        pairs,
        key=lambda p: regions[p[0]].union(regions[p[1]]).area - regions[p[0]].area - regions[p[1]].area,
    )
    rest = [r for k, r in enumerate(regions) if k not in (i, j)]
    return [regions[i].union(regions[j]), *rest]


def regions_from_boxes(
    boxes: Iterable[tuple[float, float, float, float]],
    frame_size: tuple[int, int],
    margin: float = MARGIN,
) -> list[Region]:
    """One region a person, neighbours merged; empty without boxes.

    Args:
        boxes: ``(x_min, y_min, x_max, y_max)`` in frame pixels.
        frame_size: ``(height, width)`` of the frame.
        margin: as for :func:`region_around`.

    Returns:
        At most :data:`MAX_REGIONS` regions; each box's part inside the frame lies within one of them.
    """
    regions = [region_around(box, frame_size, margin) for box in boxes]
    while (merged := _merge_once(regions)) is not None:
        regions = merged
    while len(regions) > MAX_REGIONS:
        regions = _merge_nearest(regions)
    return regions


def group_persons(
    persons: Iterable[DetectedPerson], frame_size: tuple[int, int], margin: float = MARGIN
) -> list[tuple[Region, tuple[DetectedPerson, ...]]]:
    """The regions to segment, each with the people who are in it, in their order.

    Args:
        persons: detections, best first.
        frame_size: ``(height, width)`` of the frame.
        margin: as for :func:`region_around`.
    """
    persons = list(persons)
    groups: list[tuple[Region, list[DetectedPerson]]] = [
        (region, []) for region in regions_from_boxes((p.box for p in persons), frame_size, margin)
    ]
    for person in persons:
        for region, members in groups:
            if region.contains(person.box):
                members.append(person)
                break
    return [(region, tuple(members)) for region, members in groups]
