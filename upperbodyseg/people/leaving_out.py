"""A region's mask without the people who go, and without cutting into those who stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Box
from upperbodyseg.people.separator import box_in
from upperbodyseg.postprocess.acceptance import MARKED
from upperbodyseg.segmenter import SegmentedRegion

__all__ = ["OWN", "SPECK", "Piece", "without_others"]

OWN = 40
"""Share, 0-255, from which on a pixel is somebody's: rather too much stays than that the main one is cut."""

SPECK = 0.02
"""Of the pixels of those who stay: fewer that are nobody's stay, and are rather a hand than a passer-by."""

Piece = tuple[NDArray[np.bool_], Box]
"""Part of a region's mask ``(h, w)``, and its box in the region's pixels."""


def without_others(
    seen: SegmentedRegion,
    shares: Sequence[NDArray[np.uint8]],
    gone: Sequence[Box],
    goes: Callable[[Piece], bool] | None = None,
) -> NDArray[np.uint8]:
    """A region's mask without those who go.

    Args:
        seen: the region.
        shares: of those who stay, of the mask's shape.
        gone: boxes of those who go, in frame pixels.
        goes: whether a piece of the mask outside of these boxes is somebody who goes, too; None if none is.

    Returns:
        ``(h, w)`` uint8; the region's own mask where nobody goes.
    """
    mask = seen.mask
    share = shares[0]
    for other in shares[1:]:
        share = np.maximum(share, other)
    going = cv2.bitwise_and(cv2.compare(share, OWN, cv2.CMP_LT), cv2.compare(mask, 0, cv2.CMP_GT))
    if not cv2.countNonZero(going):
        return mask
    going = _without_theirs(going, seen, gone, goes)
    if not cv2.countNonZero(going):
        return mask
    staying = cv2.multiply(mask, cv2.blur(cv2.bitwise_not(going), (3, 3)), scale=1 / 255)
    # Somebody is there: rather too many people than nobody.
    return staying if cv2.countNonZero(cv2.compare(staying, MARKED, cv2.CMP_GE)) else mask


def _without_theirs(
    going: NDArray[np.uint8],
    seen: SegmentedRegion,
    gone: Sequence[Box],
    goes: Callable[[Piece], bool] | None,
) -> NDArray[np.uint8]:
    """What goes, but for pieces of those who stay: a hand, or what they hold."""
    certain = cv2.compare(seen.mask, MARKED, cv2.CMP_GE)
    pieces = cv2.bitwise_and(going, certain)
    whole, lost = cv2.countNonZero(certain), cv2.countNonZero(pieces)
    if not gone and (goes is None or lost < SPECK * (whole - lost)):
        return np.zeros_like(going)
    # Every second pixel each way: pieces that matter are large.
    _, labels, stats, centres = cv2.connectedComponentsWithStats(np.ascontiguousarray(pieces[::2, ::2]))
    theirs = np.ones(len(stats), bool)
    for box in (box_in(seen, b) for b in gone):
        x0, y0, x1, y1 = (side / 2 for side in box)
        theirs &= ~((centres >= (x0, y0)) & (centres <= (x1, y1))).all(1)
    theirs[0] = True
    large = 4 * stats[:, cv2.CC_STAT_AREA] >= SPECK * (whole - lost)
    for i in np.nonzero(theirs & large)[0]:
        if i == 0 or goes is None:  # 0 is what doesn't go
            continue
        x, y, w, h = (2 * int(v) for v in stats[i, :4])
        piece = cv2.resize((labels == i).view(np.uint8), going.shape[::-1], interpolation=cv2.INTER_NEAREST)
        theirs[i] = not goes((piece > 0, (x, y, x + w, y + h)))
    if theirs.all():
        return np.zeros_like(going)
    theirs[0] = False
    if not theirs.any():
        return going
    kept = cv2.dilate(theirs.view(np.uint8)[labels] * np.uint8(255), np.ones((3, 3), np.uint8))
    kept = cv2.resize(kept, going.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return cv2.bitwise_and(going, cv2.bitwise_not(kept))
