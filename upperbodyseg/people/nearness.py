"""Whether somebody is as near to the camera as the main person: by silhouettes and boxes.

Size alone can't tell: a child on the lap is small, and of somebody behind only the head may show. So several
measures have a say. ``python -m benchmarks.nearness`` fits their coefficients on composites, and says how
often these are right. They were fitted to the shares of the separator's version 2. Fitted to those of
version 4 they would let fewer far people go.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Box
from upperbodyseg.segmenter import SegmentedRegion

__all__ = [
    "BIAS",
    "COEFFICIENTS",
    "MEASURES",
    "Figure",
    "figure",
    "head_width",
    "is_as_near",
    "measures",
    "nearness",
]

MEASURES = ("head", "height", "area", "lower", "upper", "gap")
"""Names of :func:`measures`, in their order."""

COEFFICIENTS = (0.25, 3.95, 2.76, 2.22, 4.35, -5.41)
BIAS = 2.44
"""Of a logistic regression: above 0 in sum, somebody is as near."""

_TIP = 0.08
"""Of somebody's height: so many rows of the head at least are looked at."""

_STRAY = 0.05
"""Of somebody's widest row: rows with less are no end of theirs."""


class Figure(NamedTuple):
    """Somebody's box and silhouette, in frame pixels.

    Attributes:
        box: the detector's.
        top, bottom: of the silhouette.
        head: its width.
        area: pixels of the silhouette.
    """

    box: Box
    top: float
    bottom: float
    head: float
    area: float


def head_width(person: NDArray[np.bool_]) -> float:
    """About how wide somebody's head is, in pixels; 0 for nobody.

    Args:
        person: ``(h, w)``, where they are. From the top on, rows are taken until they are as many as
            they are wide on average.
    """
    return _head_width(_widths(person))


def _widths(person: NDArray[np.bool_]) -> NDArray[np.int32]:
    """How many pixels of each row are theirs."""
    rows = cv2.reduce(person.view(np.uint8), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    return rows[:, 0]


def _head_width(wide: NDArray[np.int32]) -> float:
    (rows,) = np.nonzero(wide)
    if not rows.size:
        return 0.0
    wide = wide[rows[0] :]
    means = wide.cumsum() / np.arange(1, len(wide) + 1)
    least = max(round(_TIP * len(wide)), 1)  # the first rows are a tip
    (enough,) = np.nonzero(np.arange(1, len(wide) + 1) >= np.maximum(means, least))
    return float(means[enough[0]] if enough.size else means[-1])


def figure(box: Box, person: NDArray[np.bool_], seen: SegmentedRegion) -> Figure:
    """Somebody's figure.

    Args:
        box: in frame pixels.
        person: ``(h, w)`` of a region's mask, where they are.
        seen: the region.
    """
    region = seen.region
    wide = _widths(person)
    if not wide.any():
        return Figure(box, 0.0, 0.0, 0.0, 0.0)
    (rows,) = np.nonzero(wide >= _STRAY * wide.max())
    x, y = region.width / person.shape[1], region.height / person.shape[0]
    top, bottom = region.y0 + float(rows[0]) * y, region.y0 + float(rows[-1] + 1) * y
    return Figure(box, top, bottom, _head_width(wide) * x, float(wide.sum()) * x * y)


def measures(main: Figure, other: Figure) -> tuple[float, ...]:
    """How somebody compares with the main person.

    Returns:
        Logarithms of the ratios of the heads' widths, the silhouettes' heights and areas; how much
        lower the box's lower end is, and its upper end, by the main person's height; and the gap between the
        boxes, by the main person's width, negative where they overlap. All are bounded.
    """
    one, two = main.box, other.box
    width, height = max(one[2] - one[0], 1e-6), max(one[3] - one[1], 1e-6)
    gap = max(one[0], two[0]) - min(one[2], two[2])
    return (
        _log_ratio(other.head, main.head, 0.1),
        _log_ratio(other.bottom - other.top, main.bottom - main.top, 0.1),
        _log_ratio(other.area, main.area, 0.02),
        min(max((two[3] - one[3]) / height, -0.6), 0.3),
        min(max((two[1] - one[1]) / height, -0.4), 0.8),
        min(max(gap / width, -0.6), 0.6),
    )


def _log_ratio(one: float, other: float, least: float) -> float:
    return math.log(min(max(one / max(other, 1e-6), least), 3.0))


def nearness(main: Figure, other: Figure) -> float:
    """How likely somebody is as near to the camera as the main person: the odds' logarithm."""
    if other.area == 0:
        return -math.inf
    return sum(w * m for w, m in zip(COEFFICIENTS, measures(main, other), strict=True)) + BIAS


def is_as_near(main: Figure, other: Figure) -> bool:
    """Whether somebody beside the main person is as near to the camera."""
    return nearness(main, other) > 0
