"""A region's mask without the people who go, and without cutting into those who stay."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.people.closeup import Box, head_share
from upperbodyseg.people.nearness import touches
from upperbodyseg.people.separator import box_in
from upperbodyseg.postprocess.acceptance import MARKED
from upperbodyseg.segmenter import SegmentedRegion

__all__ = ["OWN", "without_others"]

OWN = 80
"""Share, 0-255, from which on a pixel is somebody's: rather too much stays than that the main one is cut."""

_SPECK = 0.02
"""Of the pixels of those who stay: fewer that are nobody's stay, and are rather a hand than a passer-by."""

_TALL = 0.5
"""Height of somebody close whom the detector missed, by the main person's."""

_HEADS = 0.25
"""Of the marked pixels in the upper part of a detection, the share that somebody's piece has."""


def without_others(
    seen: SegmentedRegion,
    shares: Sequence[NDArray[np.uint8]],
    main: Box,
    gone: Sequence[Box],
    weak: Sequence[Box],
) -> NDArray[np.uint8]:
    """A region's mask without those who go.

    Args:
        seen: the region.
        shares: of those who stay, of the mask's shape.
        main: the main person's box, in frame pixels.
        gone: boxes of those who go.
        weak: boxes of everybody whom the detector may have seen.

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
    going = _without_theirs(going, seen, main, gone, weak)
    if not cv2.countNonZero(going):
        return mask
    staying = cv2.multiply(mask, cv2.blur(cv2.bitwise_not(going), (3, 3)), scale=1 / 255)
    # Somebody is there: rather too many people than nobody.
    return staying if cv2.countNonZero(cv2.compare(staying, MARKED, cv2.CMP_GE)) else mask


def _without_theirs(
    going: NDArray[np.uint8], seen: SegmentedRegion, main: Box, gone: Sequence[Box], weak: Sequence[Box]
) -> NDArray[np.uint8]:
    """What goes, but for pieces of those who stay: a hand, or somebody close whom the detector missed."""
    certain = cv2.compare(seen.mask, MARKED, cv2.CMP_GE)
    pieces = cv2.bitwise_and(going, certain)
    whole, lost = cv2.countNonZero(certain), cv2.countNonZero(pieces)
    if not gone and lost < _SPECK * (whole - lost):
        return np.zeros_like(going)
    # Every second pixel each way: pieces that matter are large.
    certain = np.ascontiguousarray(certain[::2, ::2])
    _, labels, stats, centres = cv2.connectedComponentsWithStats(np.ascontiguousarray(pieces[::2, ::2]))
    theirs = np.ones(len(stats), bool)
    for box in (_halved(seen, b) for b in gone):
        theirs &= ~((centres >= box[:2]) & (centres <= box[2:])).all(1)
    theirs[0] = True
    main, people = _halved(seen, main), [_halved(seen, b) for b in weak]
    large = 4 * stats[:, cv2.CC_STAT_AREA] >= _SPECK * (whole - lost)
    for i in np.nonzero(theirs & large)[0]:
        if i == 0:  # what doesn't go
            continue
        x, y, w, h = (int(v) for v in stats[i, :4])
        if touches(main, (x, y, x + w, y + h)) and h >= _TALL * (main[3] - main[1]):
            continue
        # Somebody who is no person of the detector's has a head at least.
        piece = np.where(labels == i, np.uint8(255), np.uint8(0))
        theirs[i] = not any(head_share(box, piece, certain) >= _HEADS for box in people)
    if theirs.all():
        return np.zeros_like(going)
    theirs[0] = False
    if not theirs.any():
        return going
    kept = cv2.resize(
        theirs.view(np.uint8)[labels] * np.uint8(255), going.shape[::-1], interpolation=cv2.INTER_NEAREST
    )
    kept = cv2.dilate(kept, np.ones((5, 5), np.uint8))
    return cv2.bitwise_and(going, cv2.bitwise_not(kept))


def _halved(seen: SegmentedRegion, box: Box) -> Box:
    """A box of the frame in a region's mask of half the size."""
    x0, y0, x1, y1 = box_in(seen, box)
    return x0 / 2, y0 / 2, x1 / 2, y1 / 2
