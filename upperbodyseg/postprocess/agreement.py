"""A second opinion: a find counts only where the segmenter, too, sees a person."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Region
from upperbodyseg.types import DetectedPerson

__all__ = ["MIN_COVERAGE", "confirm_persons", "coverage"]

MIN_COVERAGE = 0.2
"""Share of a person's box that the segmenter has to mark as person. A thin person who spreads the
arms fills a quarter of the box; a chair that the detector took for somebody, next to nothing."""


def coverage(box: tuple[float, float, float, float], region: Region, mask: NDArray[np.uint8]) -> float:
    """Share of a box's pixels inside the region that the mask takes for a person (128 or more), 0-1.

    Args:
        box: ``(x_min, y_min, x_max, y_max)`` in frame pixels.
        region: where ``mask`` lies in the frame.
        mask: ``(h, w)`` uint8 0-255.
    """
    height, width = mask.shape
    scale_x, scale_y = width / region.width, height / region.height
    x0 = min(max(int((box[0] - region.x0) * scale_x), 0), width - 1)
    y0 = min(max(int((box[1] - region.y0) * scale_y), 0), height - 1)
    x1 = max(round((box[2] - region.x0) * scale_x), x0 + 1)
    y1 = max(round((box[3] - region.y0) * scale_y), y0 + 1)
    return float((mask[y0:y1, x0:x1] >= 128).mean())


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
