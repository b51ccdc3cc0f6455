"""A second opinion: a find counts only where the segmenter, too, sees a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Region
from upperbodyseg.types import DetectedPerson

__all__ = [
    "CERTAIN_LEVEL",
    "KEPT_SCORE",
    "MIN_COVERAGE",
    "NO_DOUBTS",
    "Doubts",
    "best_score",
    "confirm_persons",
    "coverage",
    "doubt",
]

MIN_COVERAGE = 0.2
"""Share of a person's box that the segmenter has to mark as person. A thin person who spreads the
arms fills a quarter of the box; a chair that the detector took for somebody, next to nothing."""

CERTAIN_LEVEL = 240
"""From this value of the mask on a segmenter is certain, unless its pair's description says otherwise.
Inside a person it is but for the edge; what it halfheartedly takes for one stays below."""

KEPT_SCORE = 0.6
"""Share of the threshold for companions that the best find of a region must keep after the segmenter's
doubts, however certain it is of somebody elsewhere: what lies on the table beside a person is no person."""

Box = tuple[float, float, float, float]


class Doubts(NamedTuple):
    """What the segmenter's doubts take from a find's score.

    Attributes:
        weight: by how much full doubt lowers it.
        certain_level: value of the mask, 128-255, from which on the segmenter is certain.
    """

    weight: float = 0.0
    certain_level: int = CERTAIN_LEVEL


NO_DOUBTS = Doubts()


def coverage(box: Box, region: Region, mask: NDArray[np.uint8]) -> float:
    """Share of a box's pixels inside the region that the mask takes for a person (128 or more), 0-1.

    Args:
        box: ``(x_min, y_min, x_max, y_max)`` in frame pixels.
        region: where ``mask`` lies in the frame.
        mask: ``(h, w)`` uint8 0-255.
    """
    return float((_inside(box, region, mask) >= 128).mean())


def doubt(box: Box, region: Region, mask: NDArray[np.uint8], certain_level: int = CERTAIN_LEVEL) -> float:
    """Share of what the mask takes for a person in a box of which it isn't certain, 0-1.

    Args:
        box, region, mask: as :func:`coverage`'s. Where nothing is marked all is doubt.
        certain_level: see :class:`Doubts`.
    """
    inside = _inside(box, region, mask)
    marked = np.count_nonzero(inside >= 128)
    return 1 - np.count_nonzero(inside >= certain_level) / marked if marked else 1.0


def _inside(box: Box, region: Region, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = mask.shape
    scale_x, scale_y = width / region.width, height / region.height
    x0 = min(max(int((box[0] - region.x0) * scale_x), 0), width - 1)
    y0 = min(max(int((box[1] - region.y0) * scale_y), 0), height - 1)
    x1 = max(round((box[2] - region.x0) * scale_x), x0 + 1)
    y1 = max(round((box[3] - region.y0) * scale_y), y0 + 1)
    return mask[y0:y1, x0:x1]


def best_score(
    persons: Iterable[DetectedPerson], region: Region, mask: NDArray[np.uint8], doubts: Doubts
) -> float:
    """The best of the people's scores, each lowered by the segmenter's doubt.

    Args:
        persons, region, mask: as :func:`confirm_persons`'.
        doubts: what they take from a score.

    Returns:
        At most 1; 0 without people.
    """
    weight, certain_level = doubts
    return max((p.score - weight * doubt(p.box, region, mask, certain_level) for p in persons), default=0.0)


def confirm_persons(
    persons: Iterable[DetectedPerson], region: Region, mask: NDArray[np.uint8]
) -> tuple[DetectedPerson, ...]:
    """Those of the people that the detector found in a region whom the segmenter confirms.

    Args:
        persons: their boxes lie in the region.
        region: where ``mask`` lies in the frame.
        mask: ``(h, w)`` uint8 0-255, the segmenter's.
    """
    return tuple(p for p in persons if coverage(p.box, region, mask) >= MIN_COVERAGE)
