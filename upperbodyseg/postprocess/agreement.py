"""A second opinion: a find counts only where the segmenter, too, sees a person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Region
from upperbodyseg.types import DetectedPerson

__all__ = ["MIN_COVERAGE", "confirm_persons", "coverage"]

MIN_COVERAGE = 0.2
"""Share of a person's box that the segmenter has to mark as person. A thin person who spreads the
arms fills a quarter of the box; a chair that the detector took for somebody, next to nothing."""


def coverage(
    box: tuple[float, float, float, float], region: Region, probability: NDArray[np.float32]
) -> float:
    """Share of a box's pixels inside the region whose probability is one half or more, 0-1.

    Args:
        box: ``(x_min, y_min, x_max, y_max)`` in frame pixels.
        region: where ``probability`` lies in the frame.
        probability: ``(h, w)`` or ``(h, w, 1)``, 0-1.
    """
    height, width = probability.shape[:2]
    scale_x, scale_y = width / region.width, height / region.height
    x0 = min(max(int((box[0] - region.x0) * scale_x), 0), width - 1)
    y0 = min(max(int((box[1] - region.y0) * scale_y), 0), height - 1)
    x1 = max(round((box[2] - region.x0) * scale_x), x0 + 1)
    y1 = max(round((box[3] - region.y0) * scale_y), y0 + 1)
    return float((probability[y0:y1, x0:x1] >= 0.5).mean())


def confirm_persons(
    persons: Sequence[DetectedPerson],
    regions: Sequence[Region],
    probabilities: Sequence[NDArray[np.float32]],
) -> tuple[tuple[DetectedPerson, ...], list[tuple[Region, NDArray[np.float32]]]]:
    """Keep the people whom the segmenter confirms, and the regions that still show one.

    Args:
        persons: what the detector found.
        regions: together they cover the persons' boxes.
        probabilities: the segmenter's output for each region.

    Returns:
        The confirmed persons in the same order, and the regions with at least one of them, each
        with its probability.
    """
    confirmed = []
    shown = [False] * len(regions)
    for person in persons:
        x0, y0, x1, y1 = person.box
        for i, (region, probability) in enumerate(zip(regions, probabilities, strict=True)):
            if region.x0 <= x0 and region.y0 <= y0 and region.x1 >= x1 and region.y1 >= y1:
                if coverage(person.box, region, probability) >= MIN_COVERAGE:
                    shown[i] = True
                    confirmed.append(person)
                break
    parts = [
        (region, probability)
        for region, probability, keep in zip(regions, probabilities, shown, strict=True)
        if keep
    ]
    return tuple(confirmed), parts
